/**
 * A hub in a few lines for `npm run dev`: everything in memory, every code is 123456, joining first says "please wait" for two seconds.
 * It follows docs/protocols/http-api.md as far as the pages need it. The meeting itself is simulated in the browser
 * (`simulate:` instead of a sfuserver's address); set MEETING_HUB to use a real hub instead.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import { Account } from "./account.ts";
import { Administration } from "./admin.ts";
import { ahead, type Answer, paged, problem } from "./answers.ts";
import type { Ban, ChatMessage, LobbyView, Me, Meeting } from "../src/core/api/types.ts";

interface State {
  /** Whether the request's cookie is a signed-in person's. */
  signedIn: boolean;
  account: Account;
  administration: Administration;
  bans: Ban[];
  meetings: Map<string, Meeting>;
  chat: Map<string, ChatMessage[]>;
  ready: Map<string, number>;
  waiting: LobbyView["waiting"];
}

const OWNER = { id: "p1", name: "Ada Example" };
const OPTIONS: Meeting["options"] = { guests_allowed: true, passcode: null, lobby: false, presenters: "everyone", minutes_writers: "everyone", max_minutes: null, e2ee: false, reminders: true };
const letters = (count: number) => Array.from({ length: count }, () => "abcdefghijkmnpqrstuvwxyz"[randomInt(24)]).join("");

function meeting(fields: Partial<Meeting>): Meeting {
  const code = `${letters(3)}-${letters(4)}-${letters(3)}`;
  return {
    id: randomBytes(16).toString("hex"),
    code,
    kind: "instant",
    title: "",
    begin_at: null,
    end_at: null,
    zone: "UTC",
    state: "scheduled",
    owner: OWNER,
    is_owner: true,
    invitees: [],
    link: `http://localhost:5173/m/${code}`,
    created_at: new Date().toISOString(),
    guests_allowed: true,
    options: OPTIONS,
    series: null,
    occurrence: null,
    reply: null,
    ...fields,
  };
}

function firstState(): State {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const some = [
    meeting({ code: "abc-defg-hij", state: "running" }),
    meeting({ code: "abc-seal-edd", kind: "scheduled", title: "Salaries", begin_at: at(4), end_at: at(5), options: { ...OPTIONS, e2ee: true } }),
    meeting({ code: "abc-lobb-yyy", state: "running", title: "Behind the door" }),
    meeting({
      code: "abc-plan-nnn",
      kind: "scheduled",
      title: "Weekly planning",
      begin_at: at(2),
      end_at: at(3),
      zone: "Europe/Berlin",
      series: { title: "Weekly planning", recurrence: "FREQ=WEEKLY;COUNT=20", begin_at: at(2), end_at: at(3) },
      occurrence: at(2),
      invitees: [
        { email: "grace@example.com", name: "Grace Sample", reply: "accepted", writes_minutes: false, delivery: { state: "sent", trouble: null, detail: "" } },
        { email: "katherine.johnson@a-rather-long-department.example.com", name: "Katherine Johnson", reply: "none", writes_minutes: false, delivery: { state: "queued", trouble: null, detail: "451 4.7.1 try again later" } },
        { email: "nobody@example.org", name: "", reply: "none", writes_minutes: false, delivery: { state: "failed", trouble: "unknown-address", detail: "550 5.1.1 no such user" } },
        { email: "mary@example.com", name: "Mary Jackson", reply: "declined", writes_minutes: false, delivery: null },
      ],
    }),
    meeting({ kind: "scheduled", title: "Quarterly review with the whole of the northern sales team", begin_at: at(26), end_at: at(28), owner: { id: "p2", name: "Grace Sample" }, is_owner: false, reply: "none" }),
    meeting({ kind: "scheduled", title: "Kick-off", begin_at: at(-50), end_at: at(-49), state: "ended" }),
    ...Array.from({ length: 60 }, (_, n) => meeting({ kind: "scheduled", title: `Meeting ${n + 1}`, begin_at: at(-60 - n), end_at: at(-59 - n), state: "ended" })),
  ];
  return {
    signedIn: false,
    account: new Account(),
    administration: new Administration(),
    bans: [{ id: "g9", name: "Noisy stranger", banned_at: at(-1) }],
    meetings: new Map(some.map((one) => [one.code, one])),
    chat: new Map(),
    ready: new Map(),
    waiting: [
      { id: "g1", name: "Katherine Johnson", is_guest: true, asked_at: at(0) },
      { id: "g2", name: "Mary Jackson", is_guest: false, asked_at: at(0) },
    ],
  };
}

function answer(state: State, method: string, path: string, body: Record<string, unknown>): Answer {
  const [route = "", query = ""] = path.split("?");
  const call = `${method} ${route}`;
  const { person } = state.account;
  if (call === "GET /api/v1/me") {
    const me: Me = { person: state.signedIn ? person : null, guest: null, server: { name: state.administration.values.name ?? "Meeting", version: "dev", demo: true, sign_in_methods: ["code", "passkey", "oidc"], oidc_name: "Example SSO", house: state.administration.house } };
    return { status: 200, body: me };
  }
  if (state.signedIn && /^\/api\/v1\/me(\/|$)/.test(route)) return state.account.answer(method, route, body) ?? problem(404, "not-found");
  if (call === "GET /api/v1/branding") return { status: 200, body: state.administration.brand };
  if (route.startsWith("/api/v1/replies")) return { status: 200, body: { ...ASKED, reply: body["answer"] ?? "none" } };
  if (state.signedIn && /^\/api\/v1\/(groups|tokens)/.test(route)) return state.account.lists(method, route, body) ?? problem(404, "not-found");
  if (state.signedIn && route.startsWith("/api/v1/admin/")) return state.administration.answer(method, route, new URLSearchParams(query), body) ?? problem(404, "not-found");
  if (call === "POST /api/v1/sign-in/codes") return { status: 202, body: { expires_in: 600 } };
  if (call === "POST /api/v1/sign-in") {
    if (body["code"] !== "123456") return problem(401, "wrong-code", { attempts_left: 4 });
    // Whoever signs in finds everything as it was at first.
    Object.assign(state, firstState());
    return { status: 200, body: { person: state.account.person }, cookie: "dev=1; Path=/" };
  }
  if (call === "POST /api/v1/sign-out") return { status: 204, cookie: "dev=; Path=/; Max-Age=0" };
  if (call === "GET /api/v1/meetings") {
    const past = query.includes("past");
    const over = (one: Meeting) => one.state === "ended" || one.state === "cancelled";
    return paged("meetings", [...state.meetings.values()].filter((one) => over(one) === past), new URLSearchParams(query), `/api/v1/meetings?when=${past ? "past" : "upcoming"}`);
  }
  if (call === "POST /api/v1/meetings") {
    const known = [...state.meetings.values()].find((one) => one.kind === "instant");
    if (body["kind"] === "instant" && known) return { status: 200, body: known };
    const made = meeting({ ...body, options: { ...OPTIONS, ...(body["options"] as object | undefined) }, invitees: ((body["invitees"] as string[] | undefined) ?? []).map((email) => ({ email, name: "", reply: "none", writes_minutes: false, delivery: null })) });
    state.meetings.set(made.code, made);
    return { status: 201, body: made };
  }
  return ofMeeting(state, method, route, body);
}

function ofMeeting(state: State, method: string, route: string, body: Record<string, unknown>): Answer {
  const match = /^\/api\/v1\/meetings\/([^/]+)(\/.*)?$/.exec(route);
  const one = match?.[1] === undefined ? undefined : state.meetings.get(match[1]);
  if (one === undefined) return problem(404, "not-found");
  const messages = state.chat.get(one.code) ?? [];
  if (method === "DELETE" && match?.[2]?.startsWith("/bans/")) {
    state.bans = state.bans.filter(({ id }) => !match[2]?.endsWith(`/${id}`));
    return { status: 204 };
  }
  switch (`${method} ${match?.[2] ?? ""}`) {
    case "GET ":
      return { status: 200, body: one };
    case "PATCH ":
      state.meetings.set(one.code, { ...one, ...body, options: { ...one.options, ...(body["options"] as object | undefined) }, invitees: one.invitees ?? [] });
      return { status: 200, body: state.meetings.get(one.code) };
    case "DELETE ":
      state.meetings.set(one.code, { ...one, state: "cancelled" });
      return { status: 204 };
    case "POST /join": {
      if (one.state === "ended" || one.state === "cancelled") return problem(410, "meeting-over");
      const name = state.signedIn ? OWNER.name : body["name"];
      if (typeof name !== "string" || name === "") return problem(401, "sign-in-needed", { guests_allowed: true });
      const who = `${one.code} ${String(body["device"])}`;
      const ready = state.ready.get(who) ?? Date.now() + 2000;
      state.ready.set(who, ready);
      if (Date.now() < ready) return { ...problem(503, "please-wait"), retryAfter: 3 };
      if (one.title === "Behind the door") return { status: 202, body: { state: "waiting", reason: "passcode", host_present: false, name } };
      const identity = `p1:${String(body["device"])}`;
      return { status: 200, body: { state: "inside", url: "simulate:", token: "", identity, name, role: "host", may: [], meeting: one } };
    }
    case "GET /lobby":
      return { status: 200, body: { waiting: state.waiting, locked: false, lobby: true } };
    case "POST /lobby/admit":
    case "POST /lobby/deny":
      state.waiting = [];
      return { status: 204 };
    case "POST /lobby/leave":
    case "PATCH /room":
      return { status: 204 };
    case "GET /attendance": {
      const joined_at = new Date(Date.now() - 3_000_000).toISOString();
      const stay = { joined_at, left_at: new Date(Date.now() - 60_000).toISOString() };
      const people = [
        { id: "p1", name: OWNER.name, email: "ada@example.com", seconds: 2_940, stays: [stay] },
        { id: "p3", name: "Grace Sample", email: null, seconds: 1_800, stays: [stay, { ...stay, joined_at: stay.left_at, left_at: null }] },
      ];
      return { status: 200, body: { recorded: true, people } };
    }
    case "POST /end":
      state.meetings.set(one.code, { ...one, state: "ended" });
      return { status: 204 };
    case "GET /bans":
      return { status: 200, body: { bans: state.bans } };
    case "POST /reply":
      state.meetings.set(one.code, { ...one, reply: body["answer"] as Meeting["reply"] });
      return { status: 200, body: state.meetings.get(one.code) };
    case "GET /chat":
      return { status: 200, body: { messages, next: null } };
    case "POST /chat": {
      const message = { id: String(body["id"]), text: String(body["text"]), author: OWNER, sent_at: new Date().toISOString() };
      state.chat.set(one.code, [...messages, message]);
      return { status: 201, body: message };
    }
    default:
      return problem(404, "not-found");
  }
}

const ASKED = { title: "Weekly planning", owner: "Ada Example", email: "grace@example.com", begin_at: ahead(2), end_at: ahead(3), zone: "Europe/Berlin", recurrence: "FREQ=WEEKLY;COUNT=20", state: "scheduled", link: "http://localhost:5173/m/abc-plan-nnn" };

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const piece of request) text += String(piece);
  const json = request.headers["content-type"] === "application/json";
  return text === "" || !json ? {} : (JSON.parse(text) as Record<string, unknown>);
}

export function fakeHub(): Plugin {
  const state = firstState();
  return {
    name: "fake-hub",
    configureServer(server) {
      server.middlewares.use((request: IncomingMessage, response: ServerResponse, next) => {
        const path = request.url ?? "/";
        if (!path.startsWith("/api/")) {
          next();
          return;
        }
        void read(request).then((body) => {
          state.signedIn = (request.headers.cookie ?? "").includes("dev=1");
          const { status, body: sent, retryAfter, cookie } = answer(state, request.method ?? "GET", path, body);
          if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
          if (cookie !== undefined) response.setHeader("Set-Cookie", cookie);
          response.setHeader("Content-Type", status < 400 ? "application/json" : "application/problem+json");
          response.statusCode = status;
          response.end(sent === undefined ? "" : JSON.stringify(sent));
        }, next);
      });
    },
  };
}
