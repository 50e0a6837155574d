/** The page of one meeting: look it up, check the devices, go in. What happens inside comes in a chunk of its own. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useParams } from "react-router";
import { Problem } from "../core/api/problem.ts";
import type { Choices } from "../core/choices.ts";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";
import type { FirstTracks } from "../room/outgoing.ts";
import { Loading } from "../ui/Loading.tsx";
import { fetchPart } from "../ui/parts.ts";
import { useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { Closed } from "./Closed.tsx";
import { Lobby } from "./Lobby.tsx";
import type { MeetingRoom } from "./MeetingRoom.tsx";
import { useMeetingKey } from "./useMeetingKey.ts";

/** What happens inside: the page and what it stands on. */
const inside = async () => {
  const [{ MeetingRoom }, { enterMeeting }] = await Promise.all([import("./MeetingRoom.tsx"), import("../room/enter.ts")]);
  return { MeetingRoom, enterMeeting };
};

export interface Ready {
  choices: Choices;
  guestName: string | null;
  tracks: FirstTracks;
  /** Null: not end-to-end encrypted. */
  key: string | null;
}

export function MeetingPage() {
  const { t } = useTranslation();
  const { code = "" } = useParams();
  const hub = useHub();
  const me = useMe();
  const queries = useQueryClient();
  const meeting = useQuery({ queryKey: ["meeting", code], queryFn: () => hub.meeting(code), refetchOnWindowFocus: false });
  const held = useMeetingKey(code);
  const [live, setLive] = useState<{ meeting: LiveMeeting; MeetingRoom: typeof MeetingRoom } | null>(null);
  const [broken, setBroken] = useState<unknown>(null);
  const title = meeting.data === undefined ? "" : meeting.data.title || t("meeting.untitled", { name: meeting.data.owner.name });
  usePageTitle(title || t("meeting.title"));
  useEffect(() => {
    // The room's code comes while people look at their hair.
    inside().catch(() => undefined); // asked for again, with patience, when it is needed
  }, []);
  useEffect(() => () => void live?.meeting.session.leave(), [live]);
  if (broken !== null) throw broken; // for the page of errors

  if (meeting.isPending || me.isPending) return <Loading />;
  const refused = meeting.error ?? me.error;
  if (refused !== null && Problem.from(refused).kind === "sign-in-needed") return <SignInFirst code={code} />;
  if (refused !== null) return <Closed problem={Problem.from(refused)} onAgain={() => void queries.invalidateQueries()} />;
  if (meeting.data === undefined) return <Loading />;

  if (live !== null) {
    return <live.MeetingRoom live={live.meeting} title={title} onAgain={() => setLive(null)} />;
  }
  const { state } = meeting.data;
  if (state === "ended" || state === "cancelled") return <Closed state={state} />;
  const guest = (me.data?.person ?? null) === null;
  if (guest && meeting.data.guests_allowed === false) return <SignInFirst code={code} />;
  return (
    <Lobby
      meeting={meeting.data}
      guest={guest}
      held={held}
      onJoin={(ready) => {
        fetchPart(inside).then(
          ({ enterMeeting, MeetingRoom }) => setLive({ meeting: enterMeeting({ hub, code, ...ready }), MeetingRoom }),
          setBroken,
        );
      }}
    />
  );
}

function SignInFirst({ code }: { code: string }) {
  return <Navigate to={`/sign-in?next=${encodeURIComponent(`/m/${code}`)}`} replace />;
}
