/**
 * The form "schedule a meeting" without the form: wall-clock times in a zone ↔ the instants the hub keeps.
 * Zone rules are Temporal's, never ours.
 */
import { Temporal } from "temporal-polyfill";
import { parseAddresses } from "./addresses.ts";
import type { House, Meeting, MeetingChange, ScheduleRequest, Scope } from "./api/types.ts";
import { ruleOf, type Repeat } from "./repeat.ts";

export interface Draft {
  title: string;
  /** 2026-11-23, in `zone`. */
  date: string;
  /** 14:00, in `zone`. */
  begin: string;
  /** 15:00; before `begin` it means the next day. */
  end: string;
  zone: string;
  /** As typed; each entry may hold several addresses. */
  invitees: string[];
  repeat: Repeat;
  /** 2027-02-24: the last day on which a meeting of the series may be. */
  until: string;
  /** How it is held as long as nobody says otherwise: as the house has it, or as it was. */
  usual: Options;
  /** What was said. Only this is sent: the rest stays the house's. */
  options: Partial<Options>;
  /** Who writes the minutes where only some do. */
  namedWriters: string[];
}

export interface Options {
  /** Empty: none, or one that the hub makes where the house wants one. */
  passcode: string;
  guests: boolean;
  lobby: boolean;
  present: boolean;
  reminders: boolean;
  /** End-to-end encrypted. */
  encrypted: boolean;
  writers: "everyone" | "hosts" | "named";
  /** Minutes; null: as long as it takes. */
  longest: number | null;
}

export const LONGEST = { least: 5, most: 10_080 };

function optionsOf(house: House | null): Options {
  return {
    passcode: "",
    guests: house?.guests_allowed ?? true,
    lobby: house?.default_lobby ?? false,
    present: true,
    reminders: true,
    encrypted: false,
    writers: "everyone",
    longest: house?.max_minutes ?? null,
  };
}

export const LONGEST_TITLE = 200;
export type Complaint = "titleMissing" | "titleLong" | "dateMissing" | "timeMissing" | "past" | "address" | "passcodeWrong" | "untilMissing";
export type Complaints = Partial<Record<"title" | "date" | "begin" | "end" | "invitees" | "until" | "passcode", Complaint>>;

function wallClock(date: string, time: string): Temporal.PlainDateTime | null {
  try {
    return Temporal.PlainDate.from(date).toPlainDateTime(Temporal.PlainTime.from(time));
  } catch {
    return null;
  }
}

/** A draft for a new meeting: the next full half hour, half an hour long. */
export function newDraft(now: number, zone: string, house: House | null): Draft {
  const begin = Temporal.Instant.fromEpochMilliseconds(now)
    .toZonedDateTimeISO(zone)
    .add({ minutes: 5 })
    .round({ smallestUnit: "minute", roundingIncrement: 30, roundingMode: "ceil" });
  return {
    title: "",
    date: begin.toPlainDate().toString(),
    begin: clock(begin),
    end: clock(begin.add({ minutes: 30 })),
    zone,
    invitees: [],
    repeat: "never",
    until: "",
    usual: optionsOf(house),
    options: {},
    namedWriters: [],
  };
}

/** What a meeting is now; of a series: the one meant, or for `all` the first. */
export function draftOf(meeting: Meeting, scope: Scope = "this"): Draft {
  const whole = scope === "all" ? meeting.series : null;
  const at = (time: string | null) => Temporal.Instant.from(time ?? meeting.created_at).toZonedDateTimeISO(meeting.zone);
  const begin = at(whole?.begin_at ?? meeting.begin_at);
  return {
    title: whole?.title ?? meeting.title,
    date: begin.toPlainDate().toString(),
    begin: clock(begin),
    end: clock(at(whole?.end_at ?? meeting.end_at)),
    zone: meeting.zone,
    invitees: (meeting.invitees ?? []).map((invitee) => invitee.email),
    repeat: meeting.series === null ? "never" : "kept",
    until: "",
    usual: {
      passcode: meeting.options.passcode ?? "",
      guests: meeting.options.guests_allowed,
      lobby: meeting.options.lobby,
      present: meeting.options.presenters === "everyone",
      reminders: meeting.options.reminders,
      encrypted: meeting.options.e2ee,
      writers: meeting.options.minutes_writers,
      longest: meeting.options.max_minutes,
    },
    options: {},
    namedWriters: (meeting.invitees ?? []).filter((invitee) => invitee.writes_minutes).map((invitee) => invitee.email),
  };
}

function clock(at: Temporal.ZonedDateTime): string {
  return at.toPlainTime().toString({ smallestUnit: "minute" });
}

/** Whether the meeting ends on the day after the one it begins on. */
export function endsNextDay(draft: Draft): boolean {
  return draft.begin !== "" && draft.end !== "" && draft.end <= draft.begin;
}

/** What the begin means in the reader's own zone, when that differs; null where the draft is not readable yet. */
export function instants(draft: Draft): { beginAt: string; endAt: string } | null {
  const begin = wallClock(draft.date, draft.begin);
  let end = wallClock(draft.date, draft.end);
  if (begin === null || end === null) return null;
  if (endsNextDay(draft)) end = end.add({ days: 1 });
  // A time that a clock change skips or repeats is read as calendars do (RFC 5545 §3.3.5): Temporal's "compatible".
  const instant = (at: Temporal.PlainDateTime) => at.toZonedDateTime(draft.zone).toInstant().toString({ smallestUnit: "second" });
  return { beginAt: instant(begin), endAt: instant(end) };
}

export function complaints(draft: Draft, now: number): Complaints {
  const found: Complaints = {};
  const title = draft.title.trim();
  if (title === "") found.title = "titleMissing";
  else if (title.length > LONGEST_TITLE) found.title = "titleLong";
  if (draft.date === "") found.date = "dateMissing";
  if (draft.begin === "") found.begin = "timeMissing";
  if (draft.end === "") found.end = "timeMissing";
  const times = instants(draft);
  // A series may have begun long ago.
  if (times !== null && Date.parse(times.endAt) <= now && draft.repeat !== "kept") found.end = "past";
  if (draft.repeat !== "never" && draft.repeat !== "kept" && draft.until < draft.date) found.until = "untilMissing";
  if (!/^([A-Za-z0-9]{4,32})?$/.test((draft.options.passcode ?? "").trim())) found.passcode = "passcodeWrong";
  if (badAddresses(draft).length > 0) found.invitees = "address";
  return found;
}

export function badAddresses(draft: Draft): string[] {
  return parseAddresses(draft.invitees.join("\n")).bad;
}

/** What to send; only for a draft without complaints. */
export function requestOf(draft: Draft): ScheduleRequest {
  const times = instants(draft);
  if (times === null) throw new Error("a draft with complaints is not sent");
  return {
    title: draft.title.trim(),
    begin_at: times.beginAt,
    end_at: times.endAt,
    zone: draft.zone,
    invitees: parseAddresses(draft.invitees.join("\n")).good,
    ...(draft.repeat === "kept" ? {} : { recurrence: ruleOf(draft.repeat, draft.date, draft.until) }),
    options: saidOf(draft.options),
    ...((draft.options.writers ?? draft.usual.writers) === "named" ? { writers: draft.namedWriters } : {}),
  };
}

/** What was said, in the hub's words. */
function saidOf({ passcode, guests, lobby, present, reminders, encrypted, writers, longest }: Draft["options"]): NonNullable<ScheduleRequest["options"]> {
  return {
    ...(passcode === undefined ? {} : { passcode: passcode.trim() }),
    ...(guests === undefined ? {} : { guests_allowed: guests }),
    ...(lobby === undefined ? {} : { lobby }),
    ...(present === undefined ? {} : { presenters: present ? "everyone" : "hosts" }),
    ...(reminders === undefined ? {} : { reminders }),
    ...(encrypted === undefined ? {} : { e2ee: encrypted }),
    ...(writers === undefined ? {} : { minutes_writers: writers }),
    // The hub's word for "as long as it takes".
    ...(longest === undefined ? {} : { max_minutes: longest ?? 0 }),
  };
}

/** What to send for a change of `meeting`; only for a draft without complaints. */
export function changeOf(meeting: Meeting, draft: Draft, scope: Scope): MeetingChange {
  const request = requestOf(draft);
  if (meeting.series === null || meeting.occurrence === null) return request;
  if (scope === "all") return { ...request, scope };
  const which = { scope, occurrence: meeting.occurrence };
  if (scope === "following") return { ...request, ...which };
  return { title: request.title, begin_at: request.begin_at, end_at: request.end_at, ...which };
}

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** All zones the browser knows, `own` among them even when it is an alias the list leaves out. */
export function zones(own: string): string[] {
  const known = Intl.supportedValuesOf("timeZone");
  return [...new Set([...known, "UTC", own])].sort();
}
