/** The door of a meeting, for those who may open it: who waits, asked every two seconds while we are inside. */
import type { Hub } from "./api/client.ts";
import type { LobbyView } from "./api/types.ts";
import type { Clock } from "./clock.ts";
import { createStore, type Readable } from "./store.ts";

export type Waiting = LobbyView["waiting"][number];

const EVERY = 2_000;

export interface DoorParts {
  hub: Pick<Hub, "lobby" | "admit" | "deny">;
  code: string;
  clock: Clock;
  /** Somebody new waits. */
  onKnock: () => void;
}

export class Door {
  readonly waiting: Readable<readonly Waiting[]>;
  private readonly store = createStore<readonly Waiting[]>([]);
  private readonly parts: DoorParts;
  private watching = false;
  private cancelTimer: () => void = () => undefined;

  constructor(parts: DoorParts) {
    this.parts = parts;
    this.waiting = this.store;
  }

  /** `on`: we lead the meeting and are inside. */
  watch(on: boolean): void {
    if (on === this.watching) return;
    this.watching = on;
    this.cancelTimer();
    if (on) void this.look();
    else this.store.set([]);
  }

  async admit(ids: string[] | null): Promise<void> {
    await this.answer(ids, () => this.parts.hub.admit(this.parts.code, ids));
  }

  async deny(ids: string[] | null): Promise<void> {
    await this.answer(ids, () => this.parts.hub.deny(this.parts.code, ids));
  }

  private async answer(ids: string[] | null, tell: () => Promise<void>): Promise<void> {
    await tell();
    this.store.set(ids === null ? [] : this.store.get().filter(({ id }) => !ids.includes(id)));
  }

  private async look(): Promise<void> {
    this.cancelTimer();
    try {
      const { waiting } = await this.parts.hub.lobby(this.parts.code);
      if (this.watching) this.show(waiting);
    } catch {
      // asked again below; what was last known stays
    }
    if (this.watching) this.cancelTimer = this.parts.clock.after(EVERY, () => void this.look());
  }

  private show(waiting: readonly Waiting[]): void {
    const known = new Map(this.store.get().map((one) => [one.id, one.asked_at]));
    const fresh = waiting.some(({ id, asked_at }) => known.get(id) !== asked_at);
    if (fresh || waiting.length !== known.size) this.store.set(waiting);
    if (fresh) this.parts.onKnock();
  }
}
