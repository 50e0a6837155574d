import { expect, test } from "vitest";
import { nthOf, ruleOf, usualEnd } from "./repeat.ts";
import { Temporal } from "temporal-polyfill";

test("a choice of the form becomes a rule that has its first meeting on the date", () => {
  expect(ruleOf("never", "2026-11-24", "")).toBe("");
  expect(ruleOf("weekly", "2026-11-24", "2027-02-24")).toBe("FREQ=WEEKLY;BYDAY=TU;UNTIL=20270224");
  expect(ruleOf("fortnightly", "2026-11-26", "2027-02-24")).toBe("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;UNTIL=20270224");
  expect(ruleOf("monthlyNth", "2026-11-27", "2027-02-24")).toBe("FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20270224");
  expect(ruleOf("monthlyNth", "2026-11-10", "2027-02-24")).toBe("FREQ=MONTHLY;BYDAY=2TU;UNTIL=20270224");
  expect(ruleOf("yearly", "2026-11-24", "2030-02-24")).toBe("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=24;UNTIL=20300224");
});

test("the last of a weekday is told from its fourth", () => {
  expect(nthOf(Temporal.PlainDate.from("2026-11-23"))).toBe(4);
  expect(nthOf(Temporal.PlainDate.from("2026-11-24"))).toBe(-1);
  expect(usualEnd("2026-11-30")).toBe("2027-02-28");
});
