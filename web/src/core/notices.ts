/** Short messages over a running meeting: what failed, in words; each goes away by itself or by a click. */
import type { Clock } from "./clock.ts";
import { createStore, type Readable } from "./store.ts";

export type NoticeText =
  | "microphoneDenied"
  | "cameraDenied"
  | "deviceMissing"
  | "deviceBusy"
  | "deviceFailed"
  | "screenFailed"
  | "historyMissing"
  | "endFailed"
  | "notDone"
  | "mutedByHost"
  | "cameraStoppedByHost"
  | "screenStoppedByHost"
  | "handFailed";

export interface Notice {
  id: number;
  text: NoticeText;
}

const SHOWN_FOR = 12_000;
/** More than these at once nobody reads: the oldest goes. */
const MOST = 3;

export class Notices {
  readonly list: Readable<readonly Notice[]>;
  private readonly store = createStore<readonly Notice[]>([]);
  private readonly clock: Clock;
  private next = 1;

  constructor(clock: Clock) {
    this.clock = clock;
    this.list = this.store;
  }

  add(text: NoticeText): void {
    if (this.store.get().some((notice) => notice.text === text)) return;
    const notice = { id: this.next, text };
    this.next += 1;
    this.store.set([...this.store.get(), notice].slice(-MOST));
    this.clock.after(SHOWN_FOR, () => this.dismiss(notice.id));
  }

  dismiss(id: number): void {
    this.store.set(this.store.get().filter((notice) => notice.id !== id));
  }
}
