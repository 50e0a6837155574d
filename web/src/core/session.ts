/**
 * Being in a meeting, as one machine: ask the hub for a way in, wait where it says so, connect to the sfuserver it names,
 * and get back in by itself whenever the connection is lost for good. It owns no room and no timer: both are handed in.
 *
 *     asking → connecting → inside ⇄ (inside, troubled) → … → left
 *        ↕ waiting, lobby                ↓ lost
 *     refused                          asking (again)
 */
import type { Hub } from "./api/client.ts";
import { Problem } from "./api/problem.ts";
import type { JoinAnswer, LobbyAnswer } from "./api/types.ts";
import { delayBefore } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { createStore, type Readable } from "./store.ts";

/** Why there is nothing left to reconnect to. */
export type LeftReason = "left" | "removed" | "ended" | "elsewhere";

export type LineEvent =
  | { kind: "troubled" }
  | { kind: "recovered" }
  /** Disconnected for good; a reason only when it was somebody's will. */
  | { kind: "lost"; reason: LeftReason | null };

/** The connection to an sfuserver: a LiveKit room behind the few things that matter here. */
export interface Line {
  connect(answer: JoinAnswer): Promise<void>;
  /** `keepTracks`: we are about to connect again, what is being sent stays alive. */
  disconnect(keepTracks: boolean): Promise<void>;
  listen(listener: (event: LineEvent) => void): () => void;
}

export type Phase =
  | { name: "asking" | "connecting"; again: boolean }
  | { name: "waiting"; again: boolean; until: number; problem: Problem }
  /** Somebody has to let us in. `wrongPasscode`: the one that was given is not the meeting's. */
  | { name: "lobby"; again: boolean; reason: LobbyAnswer["reason"]; hostPresent: boolean; wrongPasscode: boolean }
  | { name: "inside"; answer: JoinAnswer; troubled: boolean }
  | { name: "refused"; problem: Problem }
  | { name: "left"; reason: LeftReason };

export interface SessionParts {
  hub: Pick<Hub, "join" | "stopWaiting">;
  line: Line;
  clock: Clock;
  random: () => number;
  code: string;
  device: string;
  /** A guest's name. */
  guestName?: string;
}

/** Without a Retry-After, "please wait" is asked again after this long. */
const PLEASE_WAIT = 3_000;
/** In the lobby the hub is asked this often; it sees by it that the page is still there. */
const LOBBY_WAIT = 2_000;
/** A server that says "again in 0 s" is still not asked in a tight loop. */
const MIN_WAIT = 300;
/** Our own back-off never waits longer than this: while waiting to get in, and while getting back. */
const LONGEST_WAIT = 30_000;
const LONGEST_WAIT_BACK = 3_000;
/** After this long without connection the hub is asked whether the meeting has moved to another sfuserver. */
const SCOUT_EVERY = 2_500;

export class MeetingSession {
  readonly phase: Readable<Phase>;
  private readonly store = createStore<Phase>({ name: "asking", again: false });
  private readonly parts: SessionParts;
  private readonly stopListening: () => void;
  private cancelTimer: () => void = () => undefined;
  /** Rises with every new course of action; what an older one still brings is ignored. */
  private course = 0;
  private attempt = 0;
  private wasInside = false;
  private passcode: string | undefined;

  constructor(parts: SessionParts) {
    this.parts = parts;
    this.phase = this.store;
    this.stopListening = parts.line.listen((event) => this.hear(event));
  }

  start(): void {
    void this.ask();
  }

  /** Try at once instead of waiting on. */
  retryNow(): void {
    if (this.store.get().name === "waiting") void this.ask();
  }

  /** For a meeting that has a passcode: asked at once, with it. */
  enterPasscode(passcode: string): void {
    if (this.store.get().name !== "lobby") return;
    this.passcode = passcode;
    void this.knock(false);
  }

  async leave(reason: LeftReason = "left"): Promise<void> {
    if (this.over()) return;
    if (this.store.get().name === "lobby") this.parts.hub.stopWaiting(this.parts.code).catch(() => undefined);
    this.finish({ name: "left", reason });
    await this.parts.line.disconnect(false);
  }

  private over(): boolean {
    const { name } = this.store.get();
    return name === "left" || name === "refused";
  }

  private newCourse(): number {
    this.cancelTimer();
    this.course += 1;
    return this.course;
  }

  private finish(phase: Phase): void {
    this.newCourse();
    this.stopListening();
    this.store.set(phase);
  }

  private async ask(): Promise<void> {
    this.store.set({ name: "asking", again: this.wasInside });
    await this.knock(false);
  }

  /** Asks for a way in, and goes on showing what is shown until there is an answer. */
  private async knock(wrongPasscode: boolean): Promise<void> {
    const course = this.newCourse();
    let answer: JoinAnswer | LobbyAnswer;
    try {
      answer = await this.join();
    } catch (error) {
      if (course === this.course) this.refusedOrWait(Problem.from(error));
      return;
    }
    if (course !== this.course) return;
    if (answer.state === "inside") await this.connect(answer);
    else this.waitInLobby(answer, wrongPasscode);
  }

  private waitInLobby({ reason, host_present }: LobbyAnswer, wrongPasscode: boolean): void {
    this.newCourse();
    this.store.set({ name: "lobby", again: this.wasInside, reason, hostPresent: host_present, wrongPasscode });
    this.cancelTimer = this.parts.clock.after(LOBBY_WAIT, () => void this.knock(wrongPasscode));
  }

  private join(): Promise<JoinAnswer | LobbyAnswer> {
    const { hub, code, device, guestName: name } = this.parts;
    const passcode = this.passcode;
    return hub.join(code, { device, ...(name === undefined ? {} : { name }), ...(passcode === undefined ? {} : { passcode }) });
  }

  private async connect(answer: JoinAnswer): Promise<void> {
    const course = this.newCourse();
    this.store.set({ name: "connecting", again: this.wasInside });
    try {
      await this.parts.line.connect(answer);
    } catch {
      if (course === this.course) this.wait(new Problem({ kind: "media-unreachable", status: 0 }));
      return;
    }
    if (course !== this.course) return;
    this.attempt = 0;
    this.wasInside = true;
    this.store.set({ name: "inside", answer, troubled: false });
  }

  private refusedOrWait(problem: Problem): void {
    if (problem.kind === "wrong-passcode") {
      this.passcode = undefined;
      void this.knock(true);
      return;
    }
    const passing = problem.kind === "unreachable" || problem.status === 429 || problem.status >= 500;
    if (passing) this.wait(problem);
    else {
      this.finish({ name: "refused", problem });
      void this.parts.line.disconnect(false);
    }
  }

  private wait(problem: Problem): void {
    this.newCourse();
    const { clock, random } = this.parts;
    const longest = this.wasInside ? LONGEST_WAIT_BACK : LONGEST_WAIT;
    const own = problem.kind === "please-wait" ? PLEASE_WAIT : delayBefore(this.attempt, longest, random());
    const asked = Math.max(MIN_WAIT, problem.retryAfter === null ? own : problem.retryAfter * 1000);
    // Somebody thrown out of a running meeting hurries; only "too many requests" is always obeyed.
    const delay = this.wasInside && problem.status !== 429 ? Math.min(longest, asked) : asked;
    this.attempt += 1;
    this.store.set({ name: "waiting", again: this.wasInside, until: clock.now() + delay, problem });
    this.cancelTimer = clock.after(delay, () => void this.ask());
  }

  private hear(event: LineEvent): void {
    const phase = this.store.get();
    if (phase.name !== "inside") return;
    switch (event.kind) {
      case "troubled":
        if (phase.troubled) return;
        this.store.set({ ...phase, troubled: true });
        this.scoutLater(phase.answer.url);
        return;
      case "recovered":
        this.newCourse();
        this.store.set({ ...phase, troubled: false });
        return;
      case "lost":
        if (event.reason === null) void this.ask();
        else {
          this.finish({ name: "left", reason: event.reason });
          void this.parts.line.disconnect(false);
        }
    }
  }

  /** While the line tries to mend itself, look whether the meeting now lives elsewhere, and go there. */
  private scoutLater(url: string): void {
    const course = this.newCourse();
    this.cancelTimer = this.parts.clock.after(SCOUT_EVERY, () => void this.scout(course, url));
  }

  private async scout(course: number, url: string): Promise<void> {
    let answer: JoinAnswer | null = null;
    try {
      const told = await this.join();
      if (told.state === "inside") answer = told;
    } catch {
      // no way in for now: the line goes on trying, and so do we
    }
    if (course !== this.course) return;
    if (answer === null || answer.url === url) {
      this.scoutLater(url);
      return;
    }
    const moving = this.newCourse();
    this.store.set({ name: "connecting", again: true });
    await this.parts.line.disconnect(true);
    if (moving === this.course) await this.connect(answer);
  }
}
