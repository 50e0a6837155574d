import type { Clock } from "../core/clock.ts";

/** A clock turned by hand. */
export class HandClock implements Clock {
  private at = 1_000_000;
  private due: { at: number; action: () => void }[] = [];

  now(): number {
    return this.at;
  }

  after(ms: number, action: () => void): () => void {
    const entry = { at: this.at + ms, action };
    this.due.push(entry);
    return () => {
      this.due = this.due.filter((other) => other !== entry);
    };
  }

  /** Moves on by `ms`, running what falls due in its order, each followed by the promises it settles. */
  async turn(ms: number): Promise<void> {
    const end = this.at + ms;
    await settle();
    for (;;) {
      const next = this.due.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.due = this.due.filter((other) => other !== next);
      this.at = next.at;
      next.action();
      await settle();
    }
    this.at = end;
  }

  get waiting(): number {
    return this.due.length;
  }
}

/** Lets settled promises run their followers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
