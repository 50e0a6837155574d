/** By which way media comes and goes, read from the browser's statistics (https://www.w3.org/TR/webrtc-stats/). */

export type Way = "direct" | "tcp" | "relay";

type Row = Record<string, unknown>;

/** From the way everybody hopes for to the one that is left. */
const ORDER: readonly Way[] = ["direct", "tcp", "relay"];

/** Of one connection's report; null while no way is chosen. */
export function wayOf(report: Iterable<[string, Row]>): Way | null {
  const rows = new Map(report);
  const chosen = [...rows.values()].flatMap((row) => {
    // Firefox has no transport rows; there the pair itself says that it is the one.
    if (row["type"] === "transport") return [rows.get(String(row["selectedCandidatePairId"]))];
    return row["type"] === "candidate-pair" && row["selected"] === true ? [row] : [];
  });
  const local = rows.get(String(chosen.find((pair) => pair !== undefined)?.["localCandidateId"]));
  if (local === undefined) return null;
  if (local["candidateType"] === "relay") return "relay";
  return local["protocol"] === "tcp" ? "tcp" : "direct";
}

/** Of several connections the one that has it hardest. */
export function hardest(ways: readonly (Way | null)[]): Way | null {
  return ORDER.findLast((way) => ways.includes(way)) ?? null;
}
