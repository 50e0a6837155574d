/** A room full of people who are not there, for looking at the pages without an sfuserver; never part of a build. */
import type { Room } from "livekit-client";

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
  } finally {
    Object.assign(window, { RTCRtpReceiver: real });
  }
}
