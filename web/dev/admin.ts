/** The administration of the small hub: figures, people, mails, settings, an audit log, webhooks. What is changed holds until it ends. */
import type { Account, Delivery, Entry, Mail, Overview, Server, Settings, Usage, Values, Webhook } from "../src/admin/api.ts";
import { ago, ahead, type Answer, paged, problem } from "./answers.ts";

const ADA = { id: "p1", name: "Ada Example", email: "ada@example.com" };

const server = (kind: string, address: string, more: Partial<Server> = {}): Server => ({
  kind,
  address,
  state: "ready",
  load: 0.12,
  drained: false,
  version: "0.1.0",
  started_at: ago(90),
  beat_at: new Date().toISOString(),
  details: { certificate: { source: "acme", until: ahead(24 * 61), renewal: ahead(24 * 31), trouble: "" } },
  ...more,
});

const account = (id: string, name: string, email: string, more: Partial<Account> = {}): Account => ({
  id,
  name,
  email,
  administrator: false,
  created_at: ago(2000),
  used_at: ago(5),
  sessions: 1,
  blocked_at: null,
  erased_at: null,
  ...more,
});

const mail = (id: string, recipient: string, subject: string, more: Partial<Mail> = {}): Mail => ({
  id,
  recipient,
  subject,
  state: "queued",
  attempts: 1,
  created_at: ago(1),
  due_at: ahead(0.1),
  expires_at: ahead(70),
  error: null,
  ...more,
});

const entry = (id: string, word: string, more: Partial<Entry> = {}): Entry => ({
  id,
  at: ago(Number(id)),
  word,
  outcome: "done",
  actor_kind: "person",
  actor: ADA,
  actor_id: "p1",
  source: "192.0.2.10",
  request: "r1",
  target: null,
  target_id: null,
  target_text: "",
  meeting_id: null,
  details: {},
  ...more,
});

const USUAL: Values = {
  allowed_domains: ["example.com"],
  creators: "everyone",
  guests_allowed: true,
  default_lobby: true,
  default_passcode: false,
  max_minutes: 240,
  reminder_minutes: 15,
  attendance: true,
  name: "Meeting",
  logo: null,
  color: "#1864ab",
  color_dark: "#74c0fc",
  sign_in_text: "",
  mail_footer: "",
  imprint_url: "https://example.com/imprint",
  privacy_url: "https://example.com/privacy",
  retention: { meetings: null, chat: 365, minutes: null, files: null, attendance: 90, mails: 30, audit: null, sessions: 30, guests: 30 },
};

export class Administration {
  private version = 3;
  values: Values = USUAL;
  private servers = [
    server("sfu", "sfu1.example.com:443", { load: 0.63 }),
    server("sfu", "sfu2.example.com:443", { drained: true, details: { certificate: { source: "acme", until: ahead(24 * 6), renewal: ago(24 * 20), trouble: "the authority did not answer" } } }),
    server("turn", "192.0.2.7:3478", { details: {} }),
    server("fs", "files.example.com:443", { state: "stopped", beat_at: ago(2) }),
  ];
  private people = [
    account("p1", "Ada Example", "ada@example.com", { administrator: true }),
    account("p2", "Grace Sample", "grace@example.com"),
    account("p3", "Katherine Johnson", "katherine.johnson@a-rather-long-department.example.com", { blocked_at: ago(30), sessions: 0 }),
    account("p4", "", "", { erased_at: ago(300), sessions: 0, used_at: null }),
    ...Array.from({ length: 60 }, (_, n) => account(`q${n}`, `Person ${n + 1}`, `person.${n + 1}@example.com`)),
  ];
  private mails = [
    mail("1", "grace@example.com", "Invitation: Weekly planning, Tue, 24 Nov 2026, 10:00–11:00 (Europe/Berlin)"),
    mail("2", "nobody@example.org", "", { attempts: 4, error: "mail.example.com: 451 4.7.1 try again later" }),
    mail("3", "gone@example.net", "Invitation: Kick-off", { state: "failed", attempts: 12, error: "550 5.1.1 no such user" }),
  ];
  private hooks: Webhook[] = [
    { id: "h1", url: "https://hooks.example.com/meetings", description: "", events: ["meeting.started", "meeting.ended"], enabled: true, failing_since: null, created_at: ago(300) },
    { id: "h2", url: "https://old.example.com/a-very-long-address/that-goes-on/and-on/hook", description: "", events: ["recording.ready"], enabled: true, failing_since: ago(30), created_at: ago(900) },
  ];

  get brand() {
    const { name, color, color_dark, sign_in_text, imprint_url, privacy_url, logo } = this.values;
    return { name, color, color_dark, sign_in_text, imprint_url, privacy_url, logo: logo ? "/icon.svg" : null };
  }

  get house() {
    const { creators, guests_allowed, default_lobby, default_passcode, max_minutes, reminder_minutes } = this.values;
    return { creators, guests_allowed, default_lobby, default_passcode, max_minutes, reminder_minutes };
  }

  /** Of a call below /api/v1/admin; null where this is none. */
  answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>): Answer | null {
    const [what = "", id = "", act = ""] = path.replace(/^\/api\/v1\/admin\//, "").split("/");
    switch (`${method} ${what}`) {
      case "GET overview":
        return { status: 200, body: this.overview() };
      case "POST servers":
        this.servers = this.servers.map((each) => (each.address === body["address"] ? { ...each, drained: body["drained"] === true } : each));
        return { status: 204 };
      case "GET people":
        return this.listPeople(query);
      case "PUT people":
        return this.changePerson(id, { administrator: body["administrator"] === true });
      case "POST people":
        if (act === "block") return this.changePerson(id, { blocked_at: ago(0), sessions: 0 });
        if (act === "unblock") return this.changePerson(id, { blocked_at: null });
        if (act === "erase") return this.changePerson(id, { name: "", erased_at: ago(0) });
        return this.changePerson(id, { sessions: 0 });
      case "GET mails":
        return paged("mails", this.mails.filter((each) => each.state === (query.get("state") ?? "queued")), query, `${path}?state=${query.get("state") ?? ""}`);
      case "POST mails":
      case "DELETE mails":
        this.mails = this.mails.map((each) => (each.id === id ? { ...each, state: method === "POST" ? "sent" : "dropped" } : each));
        return { status: 204 };
      case "GET usage":
        return { status: 200, body: USAGE };
      case "GET audit":
        return paged("entries", ENTRIES.filter((each) => each.word.startsWith(query.get("word") ?? "") && (query.get("outcome") ?? each.outcome) === each.outcome), query, path);
      case "GET settings":
        return { status: 200, body: this.settings() };
      case "PATCH settings":
        return this.change(body["values"] as Partial<Values>);
      case "PUT logo":
        return this.change({ logo: "0".repeat(64) });
      case "POST retention":
        return { status: 200, body: { rows: { chat: 1204, attendance: 17, mails: 0 } } };
      case "GET webhooks":
        if (act === "deliveries") return { status: 200, body: { deliveries: DELIVERIES } };
        return { status: 200, body: { webhooks: this.hooks, events: ["meeting.started", "meeting.ended", "participant.joined", "recording.ready"] } };
      case "POST webhooks":
        return this.postWebhook(id, act, body);
      case "PATCH webhooks":
        this.hooks = this.hooks.map((each) => (each.id === id ? { ...each, enabled: body["enabled"] === true } : each));
        return { status: 200, body: this.hooks.find((each) => each.id === id) };
      case "DELETE webhooks":
        this.hooks = this.hooks.filter((each) => each.id !== id);
        return { status: 204 };
      default:
        return null;
    }
  }

  private overview(): Overview {
    const live = (id: string, title: string, people: number) => ({ id, code: "abc-defg-hij", title, owner: ADA, since: ago(1), people, server: "sfu1.example.com:443" });
    return {
      people: this.people.length,
      meetings: [live("m1", "Weekly planning", 7), live("m2", "Quarterly review with the whole of the northern sales team", 48)],
      servers: this.servers,
      mails: { queued: 2, failed: 1 },
    };
  }

  private settings(): Settings {
    return { version: this.version, locked: ["allowed_domains"], values: this.values };
  }

  private change(values: Partial<Values>): Answer {
    this.values = { ...this.values, ...values };
    this.version += 1;
    return { status: 200, body: this.settings() };
  }

  private listPeople(query: URLSearchParams): Answer {
    const search = query.get("search") ?? "";
    const found = this.people.filter((each) => `${each.name} ${each.email}`.includes(search) && (!query.has("administrators") || each.administrator) && (!query.has("blocked") || each.blocked_at !== null));
    return paged("people", found, query, `/api/v1/admin/people?search=${search}`);
  }

  private changePerson(id: string, change: Partial<Account>): Answer {
    this.people = this.people.map((each) => (each.id === id ? { ...each, ...change } : each));
    return { status: 200, body: this.people.find((each) => each.id === id) };
  }

  private postWebhook(id: string, act: string, body: Record<string, unknown>): Answer {
    if (act === "test") return { status: 204 };
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    if (act === "secret") return { status: 200, body: { secret } };
    if (id !== "") return problem(404, "not-found");
    const webhook: Webhook = { id: `h${this.hooks.length + 1}`, url: String(body["url"]), description: "", events: body["events"] as string[], enabled: true, failing_since: null, created_at: ago(0) };
    this.hooks = [...this.hooks, webhook];
    return { status: 201, body: { webhook, secret } };
  }
}

const USAGE: Usage = { begin_at: ago(500), end_at: ahead(200), people: 64, guests: 12, meetings: 208, participant_minutes: 91_340, peak: 131, servers: { "sfu1.example.com:443": 70_200, "sfu2.example.com:443": 21_140 } };

const ENTRIES: Entry[] = [
  entry("1", "sign-in"),
  entry("2", "settings.change", { details: { default_lobby: [false, true], max_minutes: [null, 240] } }),
  entry("3", "person.block", { target: { id: "p3", name: "Katherine Johnson", email: "katherine.johnson@example.com" }, target_id: "p3" }),
  entry("4", "sign-in", { outcome: "refused", actor: null, actor_id: null, actor_kind: "nobody", source: "2001:db8:85a3::8a2e:370:7334", target_text: "stranger@example.org" }),
  entry("5", "meeting.cancel", { meeting_id: "m9", target_text: "Kick-off", actor_kind: "token" }),
];

const DELIVERIES: Delivery[] = [
  { id: "d1", event: "meeting.ended", state: "delivered", attempts: 1, status: 204, error: "", created_at: ago(3), done_at: ago(3) },
  { id: "d2", event: "meeting.started", state: "queued", attempts: 3, status: 503, error: "", created_at: ago(1), done_at: null },
];
