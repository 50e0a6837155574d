/** How long to wait before the nth next try. */

const FIRST = 300;
const FACTOR = 1.7;

/** `attempt` counts from 0; `random` in [0, 1) spreads clients that lost the same server at the same moment. */
export function delayBefore(attempt: number, longest: number, random: number): number {
  const full = Math.min(longest, FIRST * FACTOR ** Math.min(attempt, 30));
  return Math.round(full * (0.75 + 0.5 * random));
}

/** How long livekit-client tries by itself to get back to the same sfuserver before we ask the hub for a way in. */
export const GIVE_UP_AFTER = 25_000;

/** The waits between its tries: dense, since a restarted server is back within a second or two. */
export function reconnectDelay(context: { elapsedMs: number; retryCount: number }, random: number): number | null {
  if (context.elapsedMs > GIVE_UP_AFTER) return null;
  return delayBefore(context.retryCount, 1_200, random);
}
