/** The account of the small hub's one person: profile, sessions, passkeys, calendar, groups, tokens. Passkeys need a real hub to be made. */
import type { Group, MyCalendar, Passkey, Person, Session, Token } from "../src/core/api/types.ts";
import { ago, ahead, type Answer, paged, problem } from "./answers.ts";

const session = (id: string, browser: string, system: string, hours: number, current: boolean): Session => ({
  id,
  browser,
  system,
  address: current ? "192.0.2.10" : "198.51.100.7",
  created_at: ago(hours + 200),
  last_used_at: ago(hours),
  current,
});

export class Account {
  person: Person = {
    id: "p1",
    name: "Ada Example",
    email: "ada@example.com",
    zone: "Europe/Berlin",
    language: "en",
    administrator: true,
    picture: null,
    handle: "ada",
  };
  sessions = [session("1", "Firefox", "Linux", 0, true), session("2", "Safari", "iPhone", 20, false)];
  passkeys: Passkey[] = [{ id: "1", name: "Ada's laptop", synced: true, created_at: ago(400), used_at: ago(3) }];

  calendar: MyCalendar = { reminder_minutes: 15, feed: null };
  groups: Group[] = [
    { id: "1".repeat(32), name: "Board", emails: ["grace@example.com", "katherine@example.com", "mary@example.com"] },
    { id: "2".repeat(32), name: "Northern sales team", emails: Array.from({ length: 23 }, (_, n) => `sales.${n + 1}@example.com`) },
  ];
  tokens: Token[] = [
    { id: "t1", name: "Room booking", scopes: ["meetings:read", "meetings:write"], created_at: ago(500), expires_at: ahead(900), used_at: ago(2) },
    { id: "t2", name: "Old script", scopes: ["me:read"], created_at: ago(3000), expires_at: ago(100), used_at: null },
  ];

  /** The groups and tokens: calls below /api/v1/groups and /api/v1/tokens; null where this is none. */
  lists(method: string, path: string, body: Record<string, unknown>): Answer | null {
    const [what = "", id] = path.replace(/^\/api\/v1\//, "").split("/");
    switch (`${method} ${what}`) {
      case "GET groups":
        return { status: 200, body: { groups: this.groups } };
      case "POST groups":
        this.groups = [...this.groups, { id: String(this.groups.length + 1).repeat(32), name: String(body["name"]), emails: body["emails"] as string[] }];
        return { status: 201, body: this.groups.at(-1) };
      case "PATCH groups":
        this.groups = this.groups.map((each) => (each.id === id ? { ...each, ...body } : each));
        return { status: 200, body: this.groups.find((each) => each.id === id) };
      case "DELETE groups":
        this.groups = this.groups.filter((each) => each.id !== id);
        return { status: 204 };
      case "GET tokens": {
        const page = paged("tokens", this.tokens, new URLSearchParams(), path);
        return { ...page, body: { ...(page.body as object), scopes: SCOPES } };
      }
      case "POST tokens":
        this.tokens = [{ id: `t${this.tokens.length + 1}`, name: String(body["name"]), scopes: body["scopes"] as string[], created_at: ago(0), expires_at: ahead(24 * Number(body["days"])), used_at: null }, ...this.tokens];
        return { status: 201, body: { token: this.tokens[0], secret: "mtg_4fzzSxyKRfO9mB0-1mT5eOOmzp3n7kKxx5bq1Tg2abc" } };
      case "DELETE tokens":
        this.tokens = this.tokens.filter((each) => each.id !== id);
        return { status: 204 };
      default:
        return id === undefined ? null : problem(404, "not-found");
    }
  }

  /** A call below /api/v1/me; null where this is none. */
  answer(method: string, path: string, body: Record<string, unknown>): Answer | null {
    const [what = "", id] = path.replace(/^\/api\/v1\/me\/?/, "").split("/");
    switch (`${method} ${what}${id === undefined ? "" : "/*"}`) {
      case "PATCH ":
        this.person = { ...this.person, ...body };
        return { status: 200, body: this.person };
      case "PUT picture":
        this.person = { ...this.person, picture: "/icon.svg" };
        return { status: 200, body: this.person };
      case "DELETE picture":
        this.person = { ...this.person, picture: null };
        return { status: 200, body: this.person };
      case "GET sessions":
        return { status: 200, body: { sessions: this.sessions } };
      case "DELETE sessions":
        this.sessions = this.sessions.filter(({ current }) => current);
        return { status: 204 };
      case "DELETE sessions/*":
        this.sessions = this.sessions.filter((each) => each.id !== id);
        return { status: 204 };
      case "GET passkeys":
        return { status: 200, body: { passkeys: this.passkeys } };
      case "PATCH passkeys/*":
        this.passkeys = this.passkeys.map((each) => (each.id === id ? { ...each, name: String(body["name"]) } : each));
        return { status: 200, body: this.passkeys.find((each) => each.id === id) };
      case "DELETE passkeys/*":
        this.passkeys = this.passkeys.filter((each) => each.id !== id);
        return { status: 204 };
      case "GET calendar":
        return { status: 200, body: this.calendar };
      case "PATCH calendar":
        this.calendar = { ...this.calendar, ...body };
        return { status: 200, body: this.calendar };
      case "POST calendar/*":
        this.calendar = { ...this.calendar, feed: "http://localhost:5173/api/v1/calendar.ics?key=abcdefghijklmnopqrstuvwxyz0123456789" };
        return { status: 200, body: this.calendar };
      case "DELETE calendar/*":
        this.calendar = { ...this.calendar, feed: null };
        return { status: 204 };
      default:
        return null;
    }
  }
}

const SCOPES = {
  "me:read": "read your profile",
  "me:write": "change your profile",
  "meetings:read": "read your meetings",
  "meetings:write": "make, change, moderate and end meetings",
  "meetings:join": "join meetings",
  "chat:read": "read chats",
  "chat:write": "write in chats",
  "minutes:read": "read minutes and files",
  "minutes:write": "write minutes and add files",
  "admin:read": "read everything that administrators see",
  "admin:write": "do what administrators may",
};
