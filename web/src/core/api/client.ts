/** The hub's HTTP API as functions, one per call (docs/protocols/http-api.md). */
import { Problem, problemOf } from "./problem.ts";
import type { Json } from "../passkey.ts";
import type { Answer, AppointedRole, AskedReply, Attendance, Ban, Brand, ChatMessage, Group, JoinAnswer, LobbyAnswer, LobbyView, Me, Medium, Meeting, MeetingChange, MeetingFront, MyCalendar, Passkey, Person, RoomChanges, ScheduleRequest, Scope, Session, Token, TokenRequest } from "./types.ts";

/** No answer within this many milliseconds counts as unreachable. */
const DEADLINE = 20_000;
/** Of a chat, the newest: whoever joins later reads no more. */
const MOST_MESSAGES = 1000;

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

export interface Hub {
  /** Any call; for pages that have calls of their own. A Blob is sent as it is, anything else as JSON. */
  call: <T>(method: string, path: string, body?: unknown) => Promise<T>;
  me(): Promise<Me>;
  brand(): Promise<Brand>;
  changeMe(change: Partial<Pick<Person, "name" | "zone" | "language">> & { handle?: string }): Promise<Person>;
  putPicture(picture: Blob): Promise<Person>;
  deletePicture(): Promise<Person>;
  personalLink(handle: string): Promise<{ code: string; name: string }>;
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  endOtherSessions(): Promise<void>;
  passkeys(): Promise<Passkey[]>;
  passkeyOptions(): Promise<Json>;
  addPasskey(name: string, credential: Json): Promise<Passkey>;
  renamePasskey(id: string, name: string): Promise<Passkey>;
  deletePasskey(id: string): Promise<void>;
  passkeyChallenge(): Promise<Json>;
  signInWithPasskey(credential: Json): Promise<{ person: Person }>;
  requestCode(email: string): Promise<{ expires_in: number }>;
  signIn(email: string, code: string): Promise<{ person: Person }>;
  signOut(): Promise<void>;
  /** `next` as the page before had it. */
  meetings(when: "upcoming" | "past", next?: string): Promise<{ meetings: Meeting[]; next: string | null }>;
  meeting(code: string): Promise<Meeting | MeetingFront>;
  openInstant(): Promise<Meeting>;
  schedule(request: ScheduleRequest): Promise<Meeting>;
  change(code: string, change: MeetingChange): Promise<Meeting>;
  cancel(code: string, which?: { scope: Scope; occurrence: string }): Promise<void>;
  /** `occurrence` null: not of a series. */
  reply(code: string, answer: Answer, occurrence: string | null): Promise<Meeting>;
  lookAtReply(token: string): Promise<AskedReply>;
  replyByLink(token: string, answer: Answer): Promise<AskedReply>;
  calendar(): Promise<MyCalendar>;
  remindMe(minutes: 5 | 10 | 15 | 30 | 60 | null): Promise<MyCalendar>;
  renewFeed(): Promise<MyCalendar>;
  revokeFeed(): Promise<void>;
  join(code: string, who: { device: string; name?: string; passcode?: string }): Promise<JoinAnswer | LobbyAnswer>;
  stopWaiting(code: string): Promise<void>;
  end(code: string): Promise<void>;
  lobby(code: string): Promise<LobbyView>;
  /** `ids` null: everybody who waits. */
  admit(code: string, ids: string[] | null): Promise<void>;
  deny(code: string, ids: string[] | null): Promise<void>;
  changeRoom(code: string, changes: RoomChanges): Promise<void>;
  /** `identity` null: everybody's but one's own. */
  mute(code: string, identity: string | null, medium: Medium): Promise<void>;
  ask(code: string, identity: string, medium: "microphone" | "camera"): Promise<void>;
  raiseHand(code: string, device: string, raised: boolean): Promise<void>;
  lowerHand(code: string, identity: string | null): Promise<void>;
  appoint(code: string, id: string, role: AppointedRole): Promise<void>;
  remove(code: string, id: string, ban: boolean): Promise<void>;
  bans(code: string): Promise<Ban[]>;
  /** They may knock again. */
  pardon(code: string, id: string): Promise<void>;
  groups(): Promise<Group[]>;
  /** `id` null: a new one. */
  keepGroup(id: string | null, group: { name: string; emails: string[] }): Promise<Group>;
  deleteGroup(id: string): Promise<void>;
  tokens(next?: string): Promise<{ tokens: Token[]; scopes: Record<string, string>; next: string | null }>;
  makeToken(token: Required<TokenRequest>): Promise<{ token: Token; secret: string }>;
  revokeToken(id: string): Promise<void>;
  attendance(code: string): Promise<Attendance>;
  chat(code: string, after?: string): Promise<ChatMessage[]>;
  postChat(code: string, message: { id: string; text: string }): Promise<ChatMessage>;
}

export function createHub(send: Fetch): Hub {
  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    const raw = body instanceof Blob;
    try {
      response = await send(path, {
        method,
        credentials: "same-origin",
        headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": raw ? "application/octet-stream" : "application/json" }) },
        signal: AbortSignal.timeout(DEADLINE),
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      });
    } catch {
      throw Problem.unreachable();
    }
    if (!response.ok) throw await problemOf(response, Date.now());
    if (response.status === 204 || response.status === 202 && response.headers.get("Content-Length") === "0") return undefined as T;
    try {
      return (await response.json()) as T;
    } catch {
      throw Problem.unreachable();
    }
  }

  const of = (code: string) => `/api/v1/meetings/${encodeURIComponent(code)}`;
  return {
    call,
    me: () => call("GET", "/api/v1/me"),
    brand: () => call("GET", "/api/v1/branding"),
    changeMe: (change) => call("PATCH", "/api/v1/me", change),
    putPicture: (picture) => call("PUT", "/api/v1/me/picture", picture),
    deletePicture: () => call("DELETE", "/api/v1/me/picture"),
    personalLink: (handle) => call("GET", `/api/v1/personal-links/${encodeURIComponent(handle)}`),
    sessions: async () => (await call<{ sessions: Session[] }>("GET", "/api/v1/me/sessions?limit=200")).sessions,
    endSession: (id) => call("DELETE", `/api/v1/me/sessions/${id}`),
    endOtherSessions: () => call("DELETE", "/api/v1/me/sessions"),
    passkeys: async () => (await call<{ passkeys: Passkey[] }>("GET", "/api/v1/me/passkeys")).passkeys,
    passkeyOptions: async () => (await call<{ options: Json }>("POST", "/api/v1/me/passkeys/options")).options,
    addPasskey: (name, credential) => call("POST", "/api/v1/me/passkeys", { name, credential }),
    renamePasskey: (id, name) => call("PATCH", `/api/v1/me/passkeys/${id}`, { name }),
    deletePasskey: (id) => call("DELETE", `/api/v1/me/passkeys/${id}`),
    passkeyChallenge: async () => (await call<{ options: Json }>("POST", "/api/v1/sign-in/passkey/options")).options,
    signInWithPasskey: (credential) => call("POST", "/api/v1/sign-in/passkey", { credential }),
    requestCode: (email) => call("POST", "/api/v1/sign-in/codes", { email }),
    signIn: (email, code) => call("POST", "/api/v1/sign-in", { email, code }),
    signOut: () => call("POST", "/api/v1/sign-out"),
    meetings: (when, next) => call("GET", next ?? `/api/v1/meetings?when=${when}`),
    meeting: (code) => call("GET", of(code)),
    openInstant: () => call("POST", "/api/v1/meetings", { kind: "instant" }),
    schedule: (request) => call("POST", "/api/v1/meetings", { kind: "scheduled", ...request }),
    change: (code, change) => call("PATCH", of(code), change),
    cancel: (code, which) => call("DELETE", which === undefined ? of(code) : `${of(code)}?${new URLSearchParams(which)}`),
    reply: (code, answer, occurrence) => call("POST", `${of(code)}/reply`, { answer, occurrence }),
    lookAtReply: (token) => call("POST", "/api/v1/replies/look", { token }),
    replyByLink: (token, answer) => call("POST", "/api/v1/replies", { token, answer }),
    calendar: () => call("GET", "/api/v1/me/calendar"),
    remindMe: (minutes) => call("PATCH", "/api/v1/me/calendar", { reminder_minutes: minutes }),
    renewFeed: () => call("POST", "/api/v1/me/calendar/feed"),
    revokeFeed: () => call("DELETE", "/api/v1/me/calendar/feed"),
    join: (code, who) => call("POST", `${of(code)}/join`, who),
    stopWaiting: (code) => call("POST", `${of(code)}/lobby/leave`),
    end: (code) => call("POST", `${of(code)}/end`),
    lobby: (code) => call("GET", `${of(code)}/lobby`),
    admit: (code, ids) => call("POST", `${of(code)}/lobby/admit`, { ids }),
    deny: (code, ids) => call("POST", `${of(code)}/lobby/deny`, { ids }),
    changeRoom: (code, changes) => call("PATCH", `${of(code)}/room`, changes),
    mute: (code, identity, medium) => call("POST", `${of(code)}/room/mute`, { identity, medium }),
    ask: (code, identity, medium) => call("POST", `${of(code)}/room/ask`, { identity, medium }),
    raiseHand: (code, device, raised) => call("POST", `${of(code)}/room/hand`, { device, raised }),
    lowerHand: (code, identity) => call("POST", `${of(code)}/room/hands/lower`, { identity }),
    appoint: (code, id, role) => call("PUT", `${of(code)}/roles/${encodeURIComponent(id)}`, { role }),
    remove: (code, id, ban) => call("POST", `${of(code)}/room/remove`, { id, ban }),
    bans: async (code) => (await call<{ bans: Ban[] }>("GET", `${of(code)}/bans`)).bans,
    pardon: (code, id) => call("DELETE", `${of(code)}/bans/${encodeURIComponent(id)}`),
    groups: async () => (await call<{ groups: Group[] }>("GET", "/api/v1/groups")).groups,
    keepGroup: (id, group) => (id === null ? call("POST", "/api/v1/groups", group) : call("PATCH", `/api/v1/groups/${id}`, group)),
    deleteGroup: (id) => call("DELETE", `/api/v1/groups/${id}`),
    tokens: (next) => call("GET", next ?? "/api/v1/tokens"),
    makeToken: (token) => call("POST", "/api/v1/tokens", token),
    revokeToken: (id) => call("DELETE", `/api/v1/tokens/${id}`),
    attendance: (code) => call("GET", `${of(code)}/attendance`),
    chat: async (code, after) => {
      let messages: ChatMessage[] = [];
      let next: string | null = `${of(code)}/chat?limit=200${after === undefined ? "" : `&after=${encodeURIComponent(after)}`}`;
      while (next !== null && messages.length < MOST_MESSAGES) {
        const page: { messages: ChatMessage[]; next: string | null } = await call("GET", next);
        messages = [...page.messages, ...messages];
        next = page.next;
      }
      return messages;
    },
    postChat: (code, message) => call("POST", `${of(code)}/chat`, message),
  };
}
