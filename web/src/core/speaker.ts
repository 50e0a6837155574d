/** Who is shown large where the picture follows who speaks. */
import type { Clock } from "./clock.ts";
import { createStore, type Readable } from "./store.ts";

/** Whoever came into the picture stays for so long, in milliseconds: it does not jump at each "yes" and each cough. */
const STAYS = 2_000;

export class Speaker {
  /** The identity of whoever spoke last; null: nobody yet. */
  readonly who: Readable<string | null>;
  private readonly store = createStore<string | null>(null);
  private readonly clock: Clock;
  private since = Number.NEGATIVE_INFINITY;
  private speaking: readonly string[] = [];
  private cancel: (() => void) | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
    this.who = this.store;
  }

  /** Who speaks now, the loudest first; without ourselves, who know how we look. */
  hear(speaking: readonly string[]): void {
    this.speaking = speaking;
    this.decide();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private decide(): void {
    this.stop();
    const [loudest] = this.speaking;
    const shown = this.store.get();
    // Two who speak at once do not push each other out.
    if (loudest === undefined || (shown !== null && this.speaking.includes(shown))) return;
    const now = this.clock.now();
    const wait = this.since + STAYS - now;
    if (wait > 0) {
      this.cancel = this.clock.after(wait, () => this.decide());
      return;
    }
    this.since = now;
    this.store.set(loudest);
  }
}
