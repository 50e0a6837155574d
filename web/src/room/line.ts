/** A LiveKit room as the session's Line. */
import { DisconnectReason, RoomEvent, type Room } from "livekit-client";
import type { JoinAnswer } from "../core/api/types.ts";
import type { LeftReason, Line, LineEvent } from "../core/session.ts";
import type { Encryption } from "./encryption.ts";
import type { Outgoing } from "./outgoing.ts";

/** Somebody's will is final; everything else is an accident to come back from. */
const BY_WILL: Partial<Record<DisconnectReason, LeftReason>> = {
  [DisconnectReason.DUPLICATE_IDENTITY]: "elsewhere",
  [DisconnectReason.PARTICIPANT_REMOVED]: "removed",
  [DisconnectReason.ROOM_DELETED]: "ended",
  [DisconnectReason.CLIENT_INITIATED]: "left",
};

export class RoomLine implements Line {
  private readonly room: Room;
  private readonly outgoing: Outgoing;
  private readonly relayOnly: boolean;
  private readonly encryption: Encryption | null;

  constructor(room: Room, outgoing: Outgoing, relayOnly: boolean, encryption: Encryption | null) {
    this.room = room;
    this.outgoing = outgoing;
    this.relayOnly = relayOnly;
    this.encryption = encryption;
  }

  async connect(answer: JoinAnswer): Promise<void> {
    if (import.meta.env.DEV && answer.url === "simulate:") {
      const { simulate } = await import("../../dev/simulate.ts");
      return simulate(this.room);
    }
    await this.encryption?.prepare(this.room);
    await this.room.connect(answer.url, answer.token, this.relayOnly ? { rtcConfig: { iceTransportPolicy: "relay" } } : {});
    await this.encryption?.confirmed(this.room);
  }

  async disconnect(keepTracks: boolean): Promise<void> {
    await this.room.disconnect(!keepTracks);
    if (keepTracks) return;
    this.outgoing.stop();
    this.encryption?.end();
  }

  listen(listener: (event: LineEvent) => void): () => void {
    const troubled = () => listener({ kind: "troubled" });
    const recovered = () => listener({ kind: "recovered" });
    const lost = (reason?: DisconnectReason) => {
      listener({ kind: "lost", reason: reason === undefined ? null : (BY_WILL[reason] ?? null) });
    };
    this.room
      .on(RoomEvent.SignalReconnecting, troubled)
      .on(RoomEvent.Reconnecting, troubled)
      .on(RoomEvent.Reconnected, recovered)
      .on(RoomEvent.Disconnected, lost);
    return () => {
      this.room
        .off(RoomEvent.SignalReconnecting, troubled)
        .off(RoomEvent.Reconnecting, troubled)
        .off(RoomEvent.Reconnected, recovered)
        .off(RoomEvent.Disconnected, lost);
    };
  }
}
