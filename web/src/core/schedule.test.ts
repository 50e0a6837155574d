import { describe, expect, test } from "vitest";
import type { Meeting } from "./api/types.ts";
import { changeOf, complaints, draftOf, endsNextDay, instants, newDraft, requestOf, zones, type Draft } from "./schedule.ts";

const NOW = Date.parse("2026-11-23T12:10:00Z");
const good: Draft = { title: " Plan ", date: "2026-11-24", begin: "09:00", end: "10:00", zone: "Europe/Berlin", invitees: ["A@x.org, b@x.org"], repeat: "never", until: "", usual: newDraft(0, "UTC", null).usual, options: {}, namedWriters: [] };

const plan = {
  title: "Plan",
  begin_at: "2026-11-24T08:00:00Z",
  end_at: "2026-11-24T09:00:00Z",
  zone: "Europe/Berlin",
  invitees: [{ email: "a@x.org" }],
  options: { guests_allowed: true, passcode: null, lobby: false, presenters: "everyone", minutes_writers: "everyone", max_minutes: null, e2ee: false, reminders: true },
  series: null,
} as unknown as Meeting;

describe("a new draft", () => {
  test("begins at the next half hour on the wall of its zone", () => {
    expect(newDraft(NOW, "Europe/Berlin", null)).toMatchObject({ date: "2026-11-23", begin: "13:30", end: "14:00" });
    expect(newDraft(Date.parse("2026-11-23T22:50:00Z"), "Europe/Berlin", null)).toMatchObject({ date: "2026-11-24", begin: "00:00" });
  });
});

describe("a draft", () => {
  test("becomes instants of its zone, winter and summer", () => {
    expect(requestOf(good)).toMatchObject({
      title: "Plan",
      begin_at: "2026-11-24T08:00:00Z",
      end_at: "2026-11-24T09:00:00Z",
      zone: "Europe/Berlin",
      invitees: ["A@x.org", "b@x.org"],
    });
    expect(instants({ ...good, date: "2027-07-01" })?.beginAt).toBe("2027-07-01T07:00:00Z");
  });

  test("that ends before it begins ends on the next day", () => {
    const late = { ...good, begin: "23:30", end: "00:30" };
    expect(endsNextDay(late)).toBe(true);
    expect(instants(late)).toEqual({ beginAt: "2026-11-24T22:30:00Z", endAt: "2026-11-24T23:30:00Z" });
  });

  test("in the hour a clock change skips is read as calendars read it", () => {
    expect(instants({ ...good, date: "2027-03-28", begin: "02:30", end: "04:00" })?.beginAt).toBe("2027-03-28T01:30:00Z");
  });

  test("is complained about in words, field by field", () => {
    expect(complaints(good, NOW)).toEqual({});
    expect(complaints({ ...good, title: " ", date: "", begin: "", end: "", invitees: ["jane"] }, NOW)).toEqual({
      title: "titleMissing",
      date: "dateMissing",
      begin: "timeMissing",
      end: "timeMissing",
      invitees: "address",
    });
    expect(complaints({ ...good, date: "2026-11-22" }, NOW)).toEqual({ end: "past" });
    expect(complaints({ ...good, title: "x".repeat(201) }, NOW)).toEqual({ title: "titleLong" });
  });

  test("of a meeting shows its wall-clock times", () => {
    expect(draftOf(plan)).toEqual({ ...good, title: "Plan", invitees: ["a@x.org"] });
  });

  test("of a series is of one meeting or of the first, and says which", () => {
    const series = { title: "Plans", recurrence: "FREQ=DAILY;COUNT=9", begin_at: "2026-11-20T08:00:00Z", end_at: "2026-11-20T09:00:00Z" };
    const one: Meeting = { ...plan, series, occurrence: "2026-11-24T08:00:00Z" };
    expect(draftOf(one, "all")).toMatchObject({ title: "Plans", date: "2026-11-20", repeat: "kept" });
    expect(changeOf(one, draftOf(one, "this"), "this")).toEqual({
      title: "Plan",
      begin_at: "2026-11-24T08:00:00Z",
      end_at: "2026-11-24T09:00:00Z",
      scope: "this",
      occurrence: "2026-11-24T08:00:00Z",
    });
    const all = changeOf(one, draftOf(one, "all"), "all");
    expect(all).toMatchObject({ scope: "all", begin_at: "2026-11-20T08:00:00Z" });
    expect(all).not.toHaveProperty("recurrence");
  });
});

test("the list of zones holds UTC and one's own", () => {
  expect(zones("Europe/Berlin")).toEqual(expect.arrayContaining(["UTC", "Europe/Berlin", "America/New_York"]));
});
