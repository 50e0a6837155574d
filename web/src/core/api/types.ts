/**
 * What travels between the hub and this client, from the hub's own description (`web/openapi.json`, a copy of its
 * `/api/openapi.json`; `npm run api-types` makes schema.ts of it). Times are RFC 3339 in UTC; names are those of the wire.
 */
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Me = Schemas["MeAnswer"];
export type Person = Schemas["PersonAnswer"];
export type Session = Schemas["SessionAnswer"];
export type Passkey = Schemas["PasskeyAnswer"];
export type Group = Schemas["GroupAnswer"];
export type Token = Schemas["TokenAnswer"];
export type TokenRequest = Schemas["TokenRequest"];
/** How the server shows itself, to everybody. */
export type Brand = Schemas["BrandAnswer"];
/** What administrators have decided about all meetings. */
export type House = Schemas["HouseAnswer"];
/** What anyone who holds the link may know. */
export type MeetingFront = Schemas["MeetingFace"];
/** What its owner and those invited know. */
export type Meeting = Schemas["MeetingAnswer"];
export type ScheduleRequest = Pick<Schemas["ScheduledRequest"], "title" | "begin_at" | "end_at" | "zone" | "invitees"> &
  Partial<Omit<Schemas["ScheduledRequest"], "kind" | "options">> & { options?: Partial<Schemas["MeetingOptions"]> };
export type Scope = Schemas["Scope"];
/** A change of a meeting; of a series: of which of its meetings. */
export type MeetingChange = Partial<ScheduleRequest> & { scope?: Scope; occurrence?: string };
export type Answer = Schemas["ReplyByLink"]["answer"];
/** What a link in an invitation is for. */
export type AskedReply = Schemas["ReplyAnswer"];
export type MyCalendar = Schemas["CalendarAnswer"];
/** Where to go, and with which access token. */
export type JoinAnswer = Schemas["JoinAnswer"];
/** Somebody has to let us in first. */
export type LobbyAnswer = Schemas["LobbyAnswer"];
/** The door, for those who may open it. */
export type LobbyView = Schemas["LobbyView"];
/** Somebody who does not come in again. */
export type Ban = Schemas["BanAnswer"];
export type RoomChanges = Partial<Schemas["RoomChangesRequest"]>;
export type Medium = NonNullable<Schemas["MuteRequest"]["medium"]>;
export type AppointedRole = Schemas["RoleRequest"]["role"];
export type Attendance = Schemas["AttendanceView"];
/** `id`: 32 hex digits made by the writer's client. */
export type ChatMessage = Schemas["ChatMessage"];
