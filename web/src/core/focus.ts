/** Which tile is shown large. */
export interface Candidate {
  key: string;
  screen: boolean;
}

/** What the person pinned, as long as it is there; else the newest screen somebody shares. */
export function focusOf(candidates: readonly Candidate[], pinned: string | null): string | null {
  if (pinned !== null && candidates.some((candidate) => candidate.key === pinned)) return pinned;
  return candidates.findLast((candidate) => candidate.screen)?.key ?? null;
}
