/**
 * End-to-end encryption of one meeting: livekit-client encrypts each frame and each data packet in a worker, with a key that all in
 * the meeting share (docs/decisions/0013). Here the key goes in, and out comes who cannot be understood.
 */
import { ExternalE2EEKeyProvider, RoomEvent, type E2EEOptions, type Participant, type Room } from "livekit-client";
import EncryptionWorker from "livekit-client/e2ee-worker?worker";
import type { Clock } from "../core/clock.ts";
import { Sealing } from "../core/sealing.ts";
import { createStore, type Store } from "../core/store.ts";
import { framesIn, Strangers } from "../core/strangers.ts";

/** The worker answers within milliseconds; longer than this it never will. */
const DEADLINE = 10_000;
/** While somebody cannot be understood, we look this often whether that is over. */
const LOOK_AGAIN = 2_000;

export class Encryption {
  readonly options: E2EEOptions;
  readonly strangers = new Strangers();
  readonly key: Store<string>;
  private readonly provider = new ExternalE2EEKeyProvider();
  private readonly worker = strictWorker();
  private readonly code: string;
  private readonly clock: Clock;
  private sealed: Sealing;
  private stopLooking: () => void = () => undefined;

  constructor(key: string, code: string, clock: Clock) {
    this.key = createStore(key);
    this.code = code;
    this.clock = clock;
    this.sealed = new Sealing(key, code);
    this.options = { keyProvider: this.provider, worker: this.worker };
  }

  /** How chat messages are sealed for the hub. */
  get sealing(): Sealing {
    return this.sealed;
  }

  watch(room: Room): void {
    room
      .on(RoomEvent.EncryptionError, (error, participant) => {
        if (participant === undefined || !/^(Invalid|Missing)Key/.test(error.message)) return;
        this.strangers.refused(participant.identity, sendsPlain(participant) ? "plain" : "key");
        this.lookLater(room);
      })
      .on(RoomEvent.ParticipantDisconnected, ({ identity }) => this.strangers.forget(identity));
  }

  /** Before connecting: nothing leaves this browser without the key. */
  async prepare(room: Room): Promise<void> {
    await this.provider.setKey(this.key.get());
    await room.setE2EEEnabled(true);
  }

  /** After connecting: the worker has said that it encrypts. Rejects where it does not. */
  async confirmed(room: Room): Promise<void> {
    if (room.isE2EEEnabled) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (action: () => void) => {
        cancel();
        room.off(RoomEvent.ParticipantEncryptionStatusChanged, look);
        action();
      };
      const look = () => room.isE2EEEnabled && settle(resolve);
      const cancel = this.clock.after(DEADLINE, () => settle(() => reject(new Error("the worker does not encrypt"))));
      room.on(RoomEvent.ParticipantEncryptionStatusChanged, look);
    });
  }

  async change(key: string): Promise<void> {
    await this.provider.setKey(key);
    this.sealed = new Sealing(key, this.code);
    this.key.set(key);
    this.strangers.forgetAll();
  }

  end(): void {
    this.stopLooking();
    this.worker.terminate();
  }

  private lookLater(room: Room): void {
    this.stopLooking();
    this.stopLooking = this.clock.after(LOOK_AGAIN, () => void this.look(room));
  }

  private async look(room: Room): Promise<void> {
    for (const identity of this.strangers.list.get().keys()) {
      const participant = room.remoteParticipants.get(identity);
      if (participant === undefined) this.strangers.forget(identity);
      else this.strangers.counted(identity, await framesOf(participant));
    }
    if (this.strangers.list.get().size > 0) this.lookLater(room);
  }
}

/**
 * A worker that decrypts whatever anybody sends. What a track is said to be is the server's word; with it, a server could have
 * tracks of its own played as somebody's. What was not encrypted with the key fails and is not played.
 */
function strictWorker(): Worker {
  const worker = new EncryptionWorker();
  const post = worker.postMessage.bind(worker);
  worker.postMessage = (message: { kind: string; data: object }, transfer?: StructuredSerializeOptions | Transferable[]) => {
    const strict = message.kind === "enable" ? { ...message, data: { ...message.data, enabled: true } } : message;
    post(strict, transfer as Transferable[]);
  };
  return worker;
}

function sendsPlain(participant: Participant): boolean {
  return [...participant.trackPublications.values()].some((publication) => !publication.isEncrypted);
}

async function framesOf(participant: Participant): Promise<number> {
  const tracks = [...participant.trackPublications.values()].map(({ track }) => track);
  const reports = await Promise.all(tracks.map((track) => track?.getRTCStatsReport().catch(() => undefined)));
  return reports.reduce((sum, report) => sum + (report === undefined ? 0 : framesIn(report as unknown as Iterable<[string, Record<string, unknown>]>)), 0);
}
