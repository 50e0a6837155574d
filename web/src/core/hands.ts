/** Raised hands: the attribute `hand` says when the hub took note of it, in milliseconds since 1970. */
export interface WithAttributes {
  identity: string;
  attributes: Readonly<Record<string, string>>;
}

/** When somebody raised their hand; null: it is down. */
export function handOf({ attributes }: WithAttributes): number | null {
  const raised = Number(attributes["hand"] ?? "");
  return Number.isFinite(raised) && raised > 0 ? raised : null;
}

/** Those with a raised hand first, in the order in which they raised it; the others as they were. */
export function byHand<T extends WithAttributes>(people: readonly T[]): T[] {
  const late = Number.MAX_SAFE_INTEGER;
  return [...people].sort((a, b) => {
    const [one, other] = [handOf(a) ?? late, handOf(b) ?? late];
    return one - other || (one === late ? 0 : a.identity < b.identity ? -1 : 1);
  });
}
