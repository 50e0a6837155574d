import { expect, test } from "vitest";
import { hardest, wayOf } from "./way.ts";

const local = (candidateType: string, protocol: string): [string, Record<string, unknown>] => ["L", { type: "local-candidate", candidateType, protocol }];
const PAIR: [string, Record<string, unknown>] = ["P", { type: "candidate-pair", localCandidateId: "L", state: "succeeded" }];
const TRANSPORT: [string, Record<string, unknown>] = ["T", { type: "transport", selectedCandidatePairId: "P" }];

test.each([
  ["host", "udp", "direct"],
  ["prflx", "udp", "direct"],
  ["host", "tcp", "tcp"],
  ["relay", "udp", "relay"],
  ["relay", "tcp", "relay"],
])("a %s candidate by %s is: %s", (candidateType, protocol, way) => {
  expect(wayOf([TRANSPORT, PAIR, local(candidateType, protocol)])).toBe(way);
});

test("where there is no transport row the pair says that it is chosen", () => {
  const other: [string, Record<string, unknown>] = ["Q", { type: "candidate-pair", localCandidateId: "M", selected: false }];
  expect(wayOf([other, ["P", { ...PAIR[1], selected: true }], local("relay", "udp")])).toBe("relay");
});

test("while nothing is chosen nothing is said", () => {
  expect(wayOf([])).toBeNull();
  expect(wayOf([["T", { type: "transport" }], PAIR, local("host", "udp")])).toBeNull();
  expect(wayOf([TRANSPORT])).toBeNull();
});

test("of two connections the harder way is told", () => {
  expect(hardest(["direct", "tcp"])).toBe("tcp");
  expect(hardest([null, "direct"])).toBe("direct");
  expect(hardest([null])).toBeNull();
});
