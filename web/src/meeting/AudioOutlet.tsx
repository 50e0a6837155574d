import { AudioTrack, useTracks } from "@livekit/components-react";
import { Track } from "livekit-client";

/** Plays everybody else, whatever is on the screen. */
export function AudioOutlet() {
  const tracks = useTracks([Track.Source.Microphone, Track.Source.ScreenShareAudio], { onlySubscribed: true });
  return (
    <div hidden>
      {tracks
        .filter((ref) => !ref.participant.isLocal)
        .map((ref) => (
          <AudioTrack
            key={ref.publication.trackSid}
            trackRef={ref}
            data-participant-identity={ref.participant.identity}
            data-source={ref.source}
          />
        ))}
    </div>
  );
}
