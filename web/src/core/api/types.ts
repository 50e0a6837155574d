/**
 * What travels between the hub and this client (docs/protocols/http-api.md).
 * Times are RFC 3339 in UTC. Names are those of the wire, so they are in snake_case.
 */
export interface Person {
  id: string;
  email: string;
  name: string;
  zone: string;
  language: string;
}

export interface Guest {
  id: string;
  name: string;
}

export interface Me {
  person: Person | null;
  guest: Guest | null;
  server: { name: string; version: string; demo: boolean };
}

export type MeetingKind = "instant" | "scheduled";
export type MeetingState = "scheduled" | "running" | "ended" | "cancelled";

export interface Invitee {
  email: string;
  name: string;
  reply: string;
}

/** What anyone who holds the link may know. */
export interface MeetingFront {
  code: string;
  kind: MeetingKind;
  title: string;
  begin_at: string | null;
  end_at: string | null;
  zone: string;
  state: MeetingState;
  owner: { id?: string; name: string };
  guests_allowed?: boolean;
}

/** What its owner and those invited know. */
export interface Meeting extends MeetingFront {
  id: string;
  owner: { id: string; name: string };
  is_owner: boolean;
  invitees?: Invitee[];
  link: string;
  created_at: string;
}

export interface ScheduleRequest {
  title: string;
  begin_at: string;
  end_at: string;
  zone: string;
  invitees: string[];
}

export type Role = "host" | "participant" | "guest";

/** Where to go, and with which access token. */
export interface JoinAnswer {
  url: string;
  token: string;
  identity: string;
  name: string;
  role: Role;
  meeting: Meeting;
}

export interface ChatMessage {
  /** 32 hex digits made by the writer's client. */
  id: string;
  author: { id: string; name: string };
  text: string;
  sent_at: string;
}
