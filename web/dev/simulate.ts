/** A room full of people who are not there, for looking at the pages without an sfuserver; never part of a build. */
import { ParticipantEvent, type Room } from "livekit-client";

export async function simulate(room: Room): Promise<void> {
  // livekit-client's simulation makes receivers by constructor, which Chromium does not allow.
  class NoReceiver {
    getStats(): Promise<RTCStatsReport> {
      return Promise.resolve(new Map() as RTCStatsReport);
    }
  }
  const real = window.RTCRtpReceiver;
  Object.assign(window, { RTCRtpReceiver: NoReceiver });
  const count = Number(new URLSearchParams(window.location.search).get("people") ?? "5");
  try {
    await room.simulateParticipants({ participants: { count, audio: true, video: true }, publish: { useRealTracks: true } });
    // Ours are made by the hub; these are a host in a room with a lobby, and two raised hands.
    const [first, second] = [...room.remoteParticipants.values()];
    const told: [object | undefined, Record<string, string>][] = [
      [room.localParticipant, { role: "host" }],
      [first, { role: "co-host", hand: "2000" }],
      [second, { role: "guest", hand: "1000" }],
    ];
    for (const [participant, attributes] of told) if (participant !== undefined) Object.assign(participant, { _attributes: attributes });
    room.localParticipant.emit(ParticipantEvent.AttributesChanged, { role: "host" });
  } finally {
    Object.assign(window, { RTCRtpReceiver: real });
  }
}
