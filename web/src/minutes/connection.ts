/** The Yjs document of one meeting's minutes and its way to the hub. */
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { createStore, type Readable } from "../core/store.ts";
import { Ledger } from "./ledger.ts";

/** connecting: for the first time; offline: again and again by itself; closed: for good, `reason` says why. */
export type Phase = "connecting" | "live" | "offline" | "closed";
export type CloseReason = "read-only" | "too-large" | "refused";

export interface ConnectionState {
  readonly phase: Phase;
  readonly reason: CloseReason | null;
}

const DURABLE = 100;
const LONGEST_WAIT = 10_000;
const REASONS: Readonly<Record<number, CloseReason>> = { 4403: "read-only", 4413: "too-large" };

/** Where the socket is; y-websocket appends the code once more. */
export function syncAddress(code: string, page: { protocol: string; host: string }): string {
  const scheme = page.protocol === "http:" ? "ws:" : "wss:";
  return `${scheme}//${page.host}/api/v1/meetings/${encodeURIComponent(code)}/minutes/sync`;
}

/** lib0's variable-length number. */
function readCount(decoder: { arr: Uint8Array; pos: number }): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = decoder.arr[decoder.pos++] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 0x80;
  }
}

export class MinutesConnection {
  readonly doc = new Y.Doc();
  readonly provider: WebsocketProvider;
  readonly #ledger = new Ledger();
  readonly #state = createStore<ConnectionState>({ phase: "connecting", reason: null });

  constructor(code: string, page: { protocol: string; host: string }, Socket: typeof WebSocket = WebSocket) {
    const ledger = this.#ledger;
    class CountedSocket extends Socket {
      override send(data: Parameters<WebSocket["send"]>[0]): void {
        if (data instanceof Uint8Array) ledger.sent(data);
        super.send(data);
      }
    }
    this.provider = new WebsocketProvider(syncAddress(code, page), code, this.doc, {
      connect: false,
      // Another tab must not hear of an edit before the hub does.
      disableBc: true,
      maxBackoffTime: LONGEST_WAIT,
      WebSocketPolyfill: CountedSocket,
    });
    // y-websocket sends an edit in the same turn, so the ledger hears of both before any acknowledgement.
    this.doc.on("update", (_update: Uint8Array, origin: unknown) => {
      if (origin !== this.provider) ledger.edited();
    });
    this.provider.messageHandlers[DURABLE] = (_encoder, decoder) => ledger.durable(readCount(decoder));
    this.provider.on("status", ({ status }) => {
      if (status === "connected") ledger.opened();
    });
    this.provider.on("sync", (isSynced) => {
      if (isSynced) this.#state.set({ phase: "live", reason: null });
    });
    this.provider.on("connection-close", () => {
      if (this.#state.get().phase === "live") this.#state.set({ phase: "offline", reason: null });
    });
    this.provider.on("connection-error", () => {
      if (this.#state.get().phase === "connecting") this.#state.set({ phase: "offline", reason: null });
    });
    this.provider.on("closed", ({ code: closeCode }) => {
      this.#state.set({ phase: "closed", reason: REASONS[closeCode] ?? "refused" });
    });
  }

  get state(): Readable<ConnectionState> {
    return this.#state;
  }

  /** Whether this person's edits may still be lost. */
  get unsaved(): Readable<boolean> {
    return this.#ledger.unsaved;
  }

  connect(): void {
    this.provider.connect();
  }

  destroy(): void {
    this.provider.destroy();
    this.doc.destroy();
  }
}
