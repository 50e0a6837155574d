/** Fetching the code of a part of the page, which comes when it is needed: the network may be away for a moment, and a new
 * version of the pages may have replaced the files that this one knows. */
import { delayBefore } from "./backoff.ts";
import type { Clock } from "./clock.ts";

/** How often it is asked for again, and the longest wait before, in milliseconds: about five seconds in all. */
const MORE_TRIES = 4;
const LONGEST_WAIT = 2_000;

/** Code that cannot be had now. Whoever shows this offers to try again. */
export class PartMissing extends Error {
  constructor(cause: unknown) {
    super("a part of the page could not be fetched", { cause });
  }
}

/** What the page is to a fetcher of parts. */
export interface Surroundings {
  clock: Clock;
  random: () => number;
  /** The pages' version that the server has now; null: it cannot be reached. */
  newest: () => Promise<string | null>;
  /** The version of this page. */
  ours: string;
  /** Loads the page again as `version`; false: that was tried already, and brought something else. */
  renew: (version: string) => boolean;
}

export type FetchPart = <Part>(load: () => Promise<Part>, how?: { mayReload?: boolean }) => Promise<Part>;

/** `mayReload: false` for parts of a call: to load the page again would hang up. Rejects with PartMissing. */
export function partFetcher({ clock, random, newest, ours, renew }: Surroundings): FetchPart {
  return async (load, { mayReload = true } = {}) => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await load();
      } catch (error) {
        const version = mayReload ? await newest() : null;
        // The page goes away with this: nothing that follows would be seen.
        if (version !== null && version !== ours && renew(version)) return await new Promise(() => undefined);
        if (tries === MORE_TRIES) throw new PartMissing(error);
        await new Promise<void>((go) => clock.after(delayBefore(tries, LONGEST_WAIT, random()), go));
      }
    }
  };
}

/** The name of the first script in a page's HTML: it is made of its contents, so that it tells versions apart. */
export function versionIn(html: string): string | null {
  return /<script[^>]*\ssrc="([^"]+)"/.exec(html)?.[1] ?? null;
}
