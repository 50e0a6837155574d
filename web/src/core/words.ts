/**
 * Which text of the catalogue says a Problem. The hub's own `detail` is English and made for whoever calls the API;
 * people get our words, and the detail only where we have none.
 */
import type { Problem } from "./api/problem.ts";

export const PROBLEM_KINDS = [
  "unreachable",
  "media-unreachable",
  "please-wait",
  "meeting-over",
  "sign-in-needed",
  "wrong-code",
  "too-many-requests",
  "not-found",
  "forbidden",
  "bad-request",
  "origin",
  "passkey-refused",
  "too-many-passkeys",
  "passkey-known",
  "no-picture",
  "too-large",
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number] | "unexpected";

const BY_STATUS: Readonly<Record<number, ProblemKind>> = {
  400: "bad-request",
  401: "sign-in-needed",
  403: "forbidden",
  404: "not-found",
  410: "meeting-over",
  429: "too-many-requests",
  503: "please-wait",
};

export interface Words {
  key: `problem.${ProblemKind}`;
  detail: string;
}

export function wordsFor(problem: Problem): Words {
  const known = PROBLEM_KINDS.find((kind) => kind === problem.kind);
  const kind = known ?? BY_STATUS[problem.status] ?? "unexpected";
  return { key: `problem.${kind}`, detail: problem.message };
}
