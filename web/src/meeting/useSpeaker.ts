import { useRoomContext } from "@livekit/components-react";
import { RoomEvent, type Participant } from "livekit-client";
import { useEffect, useMemo } from "react";
import { systemClock } from "../core/clock.ts";
import { Speaker } from "../core/speaker.ts";
import { useReadable } from "../ui/useReadable.ts";

/** The identity of whoever else spoke last. */
export function useSpeaker(): string | null {
  const room = useRoomContext();
  const speaker = useMemo(() => new Speaker(systemClock), []);
  useEffect(() => {
    const hear = (speakers: Participant[]) => speaker.hear(speakers.filter(({ isLocal }) => !isLocal).map(({ identity }) => identity));
    hear(room.activeSpeakers);
    room.on(RoomEvent.ActiveSpeakersChanged, hear);
    return () => {
      room.off(RoomEvent.ActiveSpeakersChanged, hear);
      speaker.stop();
    };
  }, [room, speaker]);
  return useReadable(speaker.who);
}
