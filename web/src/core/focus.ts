/** Which tile is shown large. */
export interface Candidate {
  key: string;
  screen: boolean;
}

/**
 * What the person pinned, else whom a host has put in the spotlight, as long as they are there; else the newest screen, else
 * who speaks, where the person wants to see them large.
 */
export function focusOf(candidates: readonly Candidate[], pinned: string | null, spotlight: string | null = null, speaker: string | null = null): string | null {
  for (const wanted of [pinned, spotlight]) {
    if (wanted !== null && candidates.some((candidate) => candidate.key === wanted)) return wanted;
  }
  const newest = candidates.findLast((candidate) => candidate.screen) ?? candidates.find((candidate) => candidate.key === speaker);
  return newest?.key ?? null;
}
