/**
 * Everything that can go wrong with a request, as one kind of error.
 * The hub answers with problem+json (RFC 9457); what never reached it is `unreachable`.
 */
export interface FieldError {
  where: string;
  what: string;
}

export class Problem extends Error {
  /** The last part of the problem's type: `please-wait`, `wrong-code`, …; `unreachable` and `unexpected` are ours. */
  readonly kind: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Seconds after which trying again makes sense, when the hub said so. */
  readonly retryAfter: number | null;
  readonly errors: readonly FieldError[];
  /** The members of the problem that belong to its kind, as `attempts_left`. */
  readonly more: Readonly<Record<string, unknown>>;

  constructor(fields: {
    kind: string;
    status: number;
    detail?: string;
    retryAfter?: number | null;
    errors?: readonly FieldError[];
    more?: Readonly<Record<string, unknown>>;
  }) {
    super(fields.detail ?? fields.kind);
    this.name = "Problem";
    this.kind = fields.kind;
    this.status = fields.status;
    this.retryAfter = fields.retryAfter ?? null;
    this.errors = fields.errors ?? [];
    this.more = fields.more ?? {};
  }

  static unreachable(): Problem {
    return new Problem({ kind: "unreachable", status: 0 });
  }

  static from(reason: unknown): Problem {
    if (reason instanceof Problem) return reason;
    return new Problem({ kind: "unexpected", status: 0, detail: reason instanceof Error ? reason.message : String(reason) });
  }
}

const LONGEST_WAIT = 600;

/** RFC 9110 §10.2.3: seconds, or a date. Bounded, so that a wrong header never parks a person for an hour. */
export function parseRetryAfter(header: string | null, now: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now) / 1000;
  if (!Number.isFinite(seconds)) return null;
  return Math.min(LONGEST_WAIT, Math.max(0, Math.ceil(seconds)));
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { where, what } = entry as Record<string, unknown>;
    return typeof what === "string" ? [{ where: typeof where === "string" ? where : "", what }] : [];
  });
}

/** Reads a refused answer. A body that is no problem+json (a proxy's page, say) still becomes a Problem. */
export async function problemOf(response: Response, now: number): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = await response.json();
    if (typeof parsed === "object" && parsed !== null) body = parsed as Record<string, unknown>;
  } catch {
    // not JSON: the status alone has to do
  }
  const type = typeof body["type"] === "string" ? body["type"] : "";
  const kind = type.startsWith("urn:meeting:problem:") ? type.slice("urn:meeting:problem:".length) : "unexpected";
  return new Problem({
    kind,
    status: response.status,
    ...(typeof body["detail"] === "string" ? { detail: body["detail"] } : {}),
    retryAfter: parseRetryAfter(response.headers.get("Retry-After"), now),
    errors: fieldErrors(body["errors"]),
    more: body,
  });
}
