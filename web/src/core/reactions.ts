/** Reactions: a sign over the data channel that floats by, and that nobody keeps. */
import type { Clock } from "./clock.ts";
import { createStore, type Readable } from "./store.ts";

export const TOPIC = "reaction";
export const SIGNS = ["👍", "👏", "❤️", "😂", "😮", "🎉"] as const;
export type Sign = (typeof SIGNS)[number];

export interface Reaction {
  id: number;
  sign: Sign;
  identity: string;
}

const SHOWN_FOR = 4_000;
/** More than these at once hide the meeting. */
const MOST_SHOWN = 30;
/** Of one person, sent or heard: three at once, then one each second. */
const BURST = 3;
const EVERY = 1_000;

export class Reactions {
  readonly shown: Readable<readonly Reaction[]>;
  private readonly store = createStore<readonly Reaction[]>([]);
  private readonly clock: Clock;
  private readonly say: (sign: Sign) => Promise<unknown>;
  private readonly credit = new Map<string, { left: number; at: number }>();
  private next = 1;

  constructor(clock: Clock, say: (sign: Sign) => Promise<unknown>) {
    this.clock = clock;
    this.say = say;
    this.shown = this.store;
  }

  send(sign: Sign, identity: string): void {
    if (!this.allowed(identity)) return;
    this.show(sign, identity);
    this.say(sign).catch(() => undefined); // nobody saw it; nothing hangs on it
  }

  /** Another participant's word: bounded and checked. */
  hear(text: string, identity: string): void {
    const sign = SIGNS.find((known) => known === text);
    if (sign !== undefined && this.allowed(identity)) this.show(sign, identity);
  }

  private allowed(identity: string): boolean {
    const now = this.clock.now();
    const before = this.credit.get(identity) ?? { left: BURST, at: now };
    const left = Math.min(BURST, before.left + (now - before.at) / EVERY);
    if (left < 1) return false;
    this.credit.set(identity, { left: left - 1, at: now });
    return true;
  }

  private show(sign: Sign, identity: string): void {
    const reaction = { id: this.next, sign, identity };
    this.next += 1;
    this.store.set([...this.store.get(), reaction].slice(-MOST_SHOWN));
    this.clock.after(SHOWN_FOR, () => this.store.set(this.store.get().filter((other) => other !== reaction)));
  }
}
