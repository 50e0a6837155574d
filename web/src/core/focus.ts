/** Which tile is shown large. */
export interface Candidate {
  key: string;
  screen: boolean;
  mine: boolean;
}

/**
 * What the person pinned, as long as it is there; else the newest screen somebody else shares. One's own screen is never
 * put large by itself: it would show itself without end.
 */
export function focusOf(candidates: readonly Candidate[], pinned: string | null): string | null {
  if (pinned !== null && candidates.some((candidate) => candidate.key === pinned)) return pinned;
  return candidates.findLast((candidate) => candidate.screen && !candidate.mine)?.key ?? null;
}
