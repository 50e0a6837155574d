/** The account of the small hub's one person: profile, sessions, passkeys. Passkeys need a real hub to be made. */
import type { Passkey, Person, Session } from "../src/core/api/types.ts";

const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
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
    administrator: false,
    picture: null,
    handle: "ada",
  };
  sessions = [session("1", "Firefox", "Linux", 0, true), session("2", "Safari", "iPhone", 20, false)];
  passkeys: Passkey[] = [{ id: "1", name: "Ada's laptop", synced: true, created_at: ago(400), used_at: ago(3) }];

  /** Status and body of a call below /api/v1/me; null where this is none. */
  answer(method: string, path: string, body: Record<string, unknown>): { status: number; body?: unknown } | null {
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
      default:
        return null;
    }
  }
}
