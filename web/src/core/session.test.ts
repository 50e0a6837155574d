import { describe, expect, test } from "vitest";
import { HandClock, settle } from "../testing/clock.ts";
import { Problem } from "./api/problem.ts";
import type { JoinAnswer, LobbyAnswer, Meeting } from "./api/types.ts";
import { MeetingSession, type Line, type LineEvent } from "./session.ts";

const answerAt = (url: string): JoinAnswer => ({
  state: "inside",
  url,
  token: "t",
  identity: "p:1",
  name: "Ada",
  role: "host",
  may: [],
  meeting: {} as Meeting,
});
const inLobby = (reason: LobbyAnswer["reason"], host_present = true): LobbyAnswer => ({ state: "waiting", reason, host_present, name: "Grace" });
const pleaseWait = (retryAfter: number | null) => new Problem({ kind: "please-wait", status: 503, retryAfter });

class FakeLine implements Line {
  readonly diary: string[] = [];
  refuse = 0;
  private listeners = new Set<(event: LineEvent) => void>();

  async connect(answer: JoinAnswer): Promise<void> {
    this.diary.push(`connect ${answer.url}`);
    if (this.refuse > 0) {
      this.refuse -= 1;
      throw new Error("no such server");
    }
  }

  async disconnect(keepTracks: boolean): Promise<void> {
    this.diary.push(keepTracks ? "disconnect, keep" : "disconnect");
    this.say({ kind: "lost", reason: "left" });
  }

  listen(listener: (event: LineEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  say(event: LineEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}

function begin(...answers: (JoinAnswer | LobbyAnswer | Problem)[]) {
  const clock = new HandClock();
  const line = new FakeLine();
  const asked: number[] = [];
  const passcodes: (string | undefined)[] = [];
  const hub = {
    stopWaiting: async () => void line.diary.push("stop waiting"),
    join: async (_code: string, { passcode }: { passcode?: string }) => {
      asked.push(clock.now());
      passcodes.push(passcode);
      const next = answers.length > 1 ? answers.shift() : answers[0];
      if (next === undefined || next instanceof Problem) throw next ?? Problem.unreachable();
      return next;
    },
  };
  const session = new MeetingSession({ hub, line, clock, random: () => 0.5, code: "abc", device: "12345678" });
  return { clock, line, asked, passcodes, session, answers, phase: () => session.phase.get() };
}

describe("joining", () => {
  test("asks the hub and connects to the sfuserver it names", async () => {
    const { session, line, phase } = begin(answerAt("wss://one"));
    session.start();
    expect(phase().name).toBe("asking");
    await settle();
    expect(line.diary).toEqual(["connect wss://one"]);
    expect(phase()).toMatchObject({ name: "inside", troubled: false });
  });

  test("waits as long as the hub says, then tries again by itself", async () => {
    const { session, clock, asked, phase } = begin(pleaseWait(7), answerAt("wss://one"));
    session.start();
    await settle();
    expect(phase()).toMatchObject({ name: "waiting", again: false, until: clock.now() + 7000 });
    await clock.turn(6_999);
    expect(asked).toHaveLength(1);
    await clock.turn(1);
    expect(phase().name).toBe("inside");
  });

  test("tries at once when asked to", async () => {
    const { session, phase, clock } = begin(pleaseWait(30), answerAt("wss://one"));
    session.start();
    await settle();
    session.retryNow();
    await settle();
    expect(phase().name).toBe("inside");
    expect(clock.waiting).toBe(0);
  });

  test("waits longer from try to try while nothing answers, with an upper bound", async () => {
    const { session, clock, asked } = begin(Problem.unreachable());
    session.start();
    await clock.turn(300_000);
    const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
    expect(gaps[0]).toBeLessThan(1_000);
    expect(Math.max(...gaps)).toBe(30_000);
    expect([...gaps].sort((a, b) => a - b)).toEqual(gaps);
  });

  test("stops at a refusal and says which", async () => {
    const { session, clock, phase } = begin(new Problem({ kind: "meeting-over", status: 410 }));
    session.start();
    await clock.turn(60_000);
    expect(phase()).toMatchObject({ name: "refused", problem: { kind: "meeting-over" } });
    expect(clock.waiting).toBe(0);
  });

  test("asks the hub again when the sfuserver cannot be reached", async () => {
    const { session, clock, line, asked, phase } = begin(answerAt("wss://dead"), answerAt("wss://alive"));
    line.refuse = 1;
    session.start();
    await clock.turn(1_000);
    expect(asked).toHaveLength(2);
    expect(line.diary).toEqual(["connect wss://dead", "connect wss://alive"]);
    expect(phase().name).toBe("inside");
  });

  test("a person who leaves while waiting is not brought in later", async () => {
    const { session, clock, line, phase } = begin(pleaseWait(2), answerAt("wss://one"));
    session.start();
    await settle();
    await session.leave();
    await clock.turn(10_000);
    expect(phase()).toEqual({ name: "left", reason: "left" });
    expect(line.diary).toEqual(["disconnect"]);
  });
});

describe("a lost connection", () => {
  async function inside(...answers: (JoinAnswer | Problem)[]) {
    const all = begin(answerAt("wss://one"), ...answers);
    all.session.start();
    await settle();
    return all;
  }

  test("is shown while it mends itself", async () => {
    const { line, phase } = await inside();
    line.say({ kind: "troubled" });
    expect(phase()).toMatchObject({ name: "inside", troubled: true });
    line.say({ kind: "recovered" });
    expect(phase()).toMatchObject({ name: "inside", troubled: false });
  });

  test("is left to mend itself as long as the meeting is where it was", async () => {
    const { clock, line, asked } = await inside(answerAt("wss://one"));
    line.say({ kind: "troubled" });
    await clock.turn(8_000);
    expect(asked.length).toBeGreaterThan(2);
    expect(line.diary).toEqual(["connect wss://one"]);
    line.say({ kind: "recovered" });
    const before = asked.length;
    await clock.turn(60_000);
    expect(asked).toHaveLength(before);
  });

  test("leads to the other sfuserver when the meeting has moved, with what is being sent kept alive", async () => {
    const { clock, line, phase } = await inside(pleaseWait(5), answerAt("wss://two"));
    line.say({ kind: "troubled" });
    await clock.turn(5_100);
    expect(line.diary).toEqual(["connect wss://one", "disconnect, keep", "connect wss://two"]);
    expect(phase()).toMatchObject({ name: "inside", troubled: false, answer: { url: "wss://two" } });
  });

  test("for good brings the person back through the hub without a click, within 10 s of the server's return", async () => {
    const { clock, line, phase, answers } = await inside(Problem.unreachable());
    line.say({ kind: "lost", reason: null });
    await clock.turn(20_000);
    expect(phase()).toMatchObject({ name: "waiting", again: true });
    answers.splice(0, answers.length, answerAt("wss://one"));
    await clock.turn(4_000);
    expect(phase().name).toBe("inside");
    expect(line.diary).toEqual(["connect wss://one", "connect wss://one"]);
  });

  test("does not wait long on the way back even when the hub asks for it", async () => {
    const { clock, line, phase } = await inside(pleaseWait(60), answerAt("wss://one"));
    line.say({ kind: "lost", reason: null });
    await clock.turn(3_100);
    expect(phase().name).toBe("inside");
  });

  test.each(["removed", "ended", "elsewhere"] as const)("by will (%s) is final", async (reason) => {
    const { clock, line, asked, phase } = await inside();
    line.say({ kind: "lost", reason });
    await clock.turn(60_000);
    expect(phase()).toEqual({ name: "left", reason });
    expect(asked).toHaveLength(1);
  });
});

describe("the lobby", () => {
  test("asks every two seconds and goes in as soon as somebody opens", async () => {
    const { session, clock, asked, phase, line } = begin(inLobby("lobby", false), inLobby("lobby"), answerAt("wss://one"));
    session.start();
    await settle();
    expect(phase()).toEqual({ name: "lobby", again: false, reason: "lobby", hostPresent: false, wrongPasscode: false });
    await clock.turn(2_000);
    expect(phase()).toMatchObject({ name: "lobby", hostPresent: true });
    await clock.turn(2_000);
    expect(phase().name).toBe("inside");
    expect(asked).toHaveLength(3);
    expect(line.diary).toEqual(["connect wss://one"]);
  });

  test("is left when somebody says no", async () => {
    const { session, clock, phase, asked } = begin(inLobby("locked"), new Problem({ kind: "turned-away", status: 403 }));
    session.start();
    await clock.turn(2_000);
    expect(phase()).toMatchObject({ name: "refused", problem: { kind: "turned-away" } });
    await clock.turn(60_000);
    expect(asked).toHaveLength(2);
  });

  test("takes a passcode at once, says when it is wrong, and goes on waiting", async () => {
    const wrong = new Problem({ kind: "wrong-passcode", status: 403 });
    const { session, clock, phase, passcodes } = begin(inLobby("passcode"), wrong, inLobby("passcode"), inLobby("passcode"), answerAt("wss://one"));
    session.start();
    await settle();
    session.enterPasscode("1234");
    await settle();
    expect(phase()).toMatchObject({ name: "lobby", reason: "passcode", wrongPasscode: true });
    await clock.turn(2_000);
    expect(phase()).toMatchObject({ name: "lobby", wrongPasscode: true });
    session.enterPasscode("2468");
    await settle();
    expect(passcodes).toEqual([undefined, "1234", undefined, undefined, "2468"]);
    expect(phase().name).toBe("inside");
  });

  test("hears that one waits no longer", async () => {
    const { session, line, clock, asked } = begin(inLobby("lobby"));
    session.start();
    await settle();
    await session.leave();
    expect(line.diary[0]).toBe("stop waiting");
    await clock.turn(10_000);
    expect(asked).toHaveLength(1);
  });
});
