/** What the parts of the small hub share: how an answer looks, moments, pages of lists. */
export type Answer = { status: number; body?: unknown; retryAfter?: number; cookie?: string };

export const problem = (status: number, kind: string, more: object = {}): Answer => ({
  status,
  body: { type: `urn:meeting:problem:${kind}`, title: kind, status, detail: kind, ...more },
});

export const ahead = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
export const ago = (hours: number): string => ahead(-hours);

/** A page of a list under `name`; `address` is the list's, a cursor is the number of the first. */
export function paged(name: string, items: readonly unknown[], query: URLSearchParams, address: string): Answer {
  const from = Number(query.get("cursor") ?? 0);
  const to = from + Number(query.get("limit") ?? 50);
  const next = to < items.length ? `${address}${address.includes("?") ? "&" : "?"}cursor=${to}` : null;
  return { status: 200, body: { [name]: items.slice(from, to), next } };
}
