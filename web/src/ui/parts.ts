/** The one fetcher of parts of this page. */
import { systemClock } from "../core/clock.ts";
import { partFetcher, versionIn } from "../core/parts.ts";

const TRIED = "meeting.renewed";
const LONGEST = 10_000;

/** The version of the pages that the server has; null: it cannot be reached, or answers something else. */
export async function newestVersion(): Promise<string | null> {
  try {
    const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(LONGEST) });
    return answer.ok ? versionIn(await answer.text()) : null;
  } catch {
    return null;
  }
}

function renew(version: string): boolean {
  if (sessionStorage.getItem(TRIED) === version) return false;
  sessionStorage.setItem(TRIED, version);
  window.location.reload();
  return true;
}

export const fetchPart = partFetcher({
  clock: systemClock,
  random: Math.random,
  newest: newestVersion,
  ours: document.querySelector("script[src]")?.getAttribute("src") ?? "",
  renew,
});

// A style sheet that failed is not asked for again by the bundler's loader, which believes to have it: we ask before
// it tells our caller, who then asks for the code again.
window.addEventListener("vite:preloadError", (event) => {
  const address = /^Unable to preload CSS for (.+)$/.exec((event as Event & { payload: Error }).payload.message)?.[1];
  if (address === undefined) return;
  document.querySelector(`link[rel=stylesheet][href="${CSS.escape(address)}"]`)?.remove();
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = address;
  document.head.append(link);
});
