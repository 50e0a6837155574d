/**
 * Who in an end-to-end encrypted meeting cannot be seen and heard, and why. What cannot be decrypted is not played; here it gets
 * a name. Somebody is a stranger from the first frame that cannot be decrypted until frames can be again.
 */
import { createStore, type Readable } from "./store.ts";

/** `key`: another key than ours. `plain`: what they send is not encrypted. */
export type Strangeness = "key" | "plain";

/** A decoder may still give what it had; more than this many new frames come from frames that were decrypted. */
const ENOUGH = 3;

export class Strangers {
  readonly list: Readable<ReadonlyMap<string, Strangeness>>;
  private readonly store = createStore<ReadonlyMap<string, Strangeness>>(new Map());
  private readonly decoded = new Map<string, number>();

  constructor() {
    this.list = this.store;
  }

  /** A frame of theirs could not be decrypted. */
  refused(identity: string, why: Strangeness): void {
    this.decoded.delete(identity);
    if (this.store.get().get(identity) !== why) this.store.set(new Map(this.store.get()).set(identity, why));
  }

  /** How many frames of theirs have been decoded up to now. */
  counted(identity: string, frames: number): void {
    if (!this.store.get().has(identity)) return;
    const before = this.decoded.get(identity) ?? frames;
    this.decoded.set(identity, Math.min(before, frames));
    if (frames - before > ENOUGH) this.forget(identity);
  }

  forget(identity: string): void {
    this.decoded.delete(identity);
    const others = new Map(this.store.get());
    if (others.delete(identity)) this.store.set(others);
  }

  /** Our key is another one now. */
  forgetAll(): void {
    this.decoded.clear();
    if (this.store.get().size > 0) this.store.set(new Map());
  }
}

/** Frames decoded, of a `getStats` report of what is received: pictures, and sound in frames of 20 ms at 48 kHz. */
export function framesIn(report: Iterable<[string, Record<string, unknown>]>): number {
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  let frames = 0;
  for (const [, row] of report) {
    if (row["type"] !== "inbound-rtp") continue;
    frames += number(row["framesDecoded"]) + Math.floor((number(row["totalSamplesReceived"]) - number(row["concealedSamples"])) / 960);
  }
  return frames;
}
