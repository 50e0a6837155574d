/** How a meeting recurs, as the form offers it ↔ a rule of RFC 5545. The hub takes more than the form says. */
import { Temporal } from "temporal-polyfill";

/** `kept`: the rule that a series has, whatever it is. */
export const REPEATS = ["never", "daily", "workdays", "weekly", "fortnightly", "monthlyDay", "monthlyNth", "yearly"] as const;
export type Repeat = (typeof REPEATS)[number] | "kept";

const DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/** Which of its weekday in the month: 1 to 4, -1 for the last. */
export function nthOf(date: Temporal.PlainDate): number {
  return date.day + 7 > date.daysInMonth ? -1 : Math.ceil(date.day / 7);
}

/** The rule of a series that begins on `date` (2026-11-24) and has its last meeting on `until` at the latest; empty: it does not recur. */
export function ruleOf(repeat: Exclude<Repeat, "kept">, date: string, until: string): string {
  if (repeat === "never") return "";
  const day = Temporal.PlainDate.from(date);
  const weekday = DAYS[day.dayOfWeek - 1] ?? "MO";
  const rules = {
    daily: "FREQ=DAILY",
    workdays: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    weekly: `FREQ=WEEKLY;BYDAY=${weekday}`,
    fortnightly: `FREQ=WEEKLY;INTERVAL=2;BYDAY=${weekday}`,
    monthlyDay: `FREQ=MONTHLY;BYMONTHDAY=${day.day}`,
    monthlyNth: `FREQ=MONTHLY;BYDAY=${nthOf(day)}${weekday}`,
    yearly: `FREQ=YEARLY;BYMONTH=${day.month};BYMONTHDAY=${day.day}`,
  };
  return `${rules[repeat]};UNTIL=${until.replaceAll("-", "")}`;
}

/** What the words of the form need: the weekday, its place in the month, the day of the year. */
export function wordsFor(date: string, language: string): { day: string; nth: string; number: number; date: string } | null {
  try {
    const day = Temporal.PlainDate.from(date);
    return {
      day: day.toLocaleString(language, { weekday: "long" }),
      nth: String(nthOf(day)),
      number: day.day,
      date: day.toLocaleString(language, { day: "numeric", month: "long" }),
    };
  } catch {
    return null;
  }
}

/** Three months on: long enough for a habit, short enough to be thought about again. */
export function usualEnd(date: string): string {
  try {
    return Temporal.PlainDate.from(date).add({ months: 3 }).toString();
  } catch {
    return "";
  }
}
