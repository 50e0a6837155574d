/** Inside one meeting: which of its faces to show. */
import { RoomContext } from "@livekit/components-react";
import { useNavigate } from "react-router";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import { Call } from "./Call.tsx";
import { LobbyWait } from "./LobbyWait.tsx";
import { Closed } from "./Closed.tsx";
import { Waiting } from "./Waiting.tsx";

interface Props {
  live: LiveMeeting;
  title: string;
  onAgain: () => void;
}

export function MeetingRoom({ live, title, onAgain }: Props) {
  const phase = useReadable(live.session.phase);
  const navigate = useNavigate();
  switch (phase.name) {
    case "left":
      return <Closed left={phase.reason} {...(phase.reason === "ended" || phase.reason === "removed" ? {} : { onAgain })} />;
    case "refused":
      return <Closed problem={phase.problem} onAgain={onAgain} />;
    case "lobby":
      return (
        <LobbyWait
          title={title}
          phase={phase}
          onPasscode={(passcode) => live.session.enterPasscode(passcode)}
          onCancel={() => void live.session.leave().then(() => navigate("/"))}
        />
      );
    case "asking":
    case "connecting":
    case "waiting":
      if (!phase.again) {
        return (
          <Waiting
            phase={phase}
            onNow={() => live.session.retryNow()}
            onCancel={() => void live.session.leave().then(() => navigate("/"))}
          />
        );
      }
  }
  return (
    <RoomContext.Provider value={live.room}>
      <Call live={live} title={title} phase={phase} />
    </RoomContext.Provider>
  );
}
