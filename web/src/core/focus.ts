/** Which tile is shown large. */
export interface Candidate {
  key: string;
  screen: boolean;
}

/** What the person pinned, else whom a host has put in the spotlight, as long as they are there; else the newest screen. */
export function focusOf(candidates: readonly Candidate[], pinned: string | null, spotlight: string | null = null): string | null {
  for (const wanted of [pinned, spotlight]) {
    if (wanted !== null && candidates.some((candidate) => candidate.key === wanted)) return wanted;
  }
  return candidates.findLast((candidate) => candidate.screen)?.key ?? null;
}
