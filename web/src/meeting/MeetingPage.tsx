/** The page of one meeting: look it up, check the devices, go in. What happens inside comes in a chunk of its own. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useParams } from "react-router";
import { Problem } from "../core/api/problem.ts";
import type { Choices } from "../core/choices.ts";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";
import type { FirstTracks } from "../room/outgoing.ts";
import { Loading } from "../ui/Loading.tsx";
import { useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { Closed } from "./Closed.tsx";
import { Lobby } from "./Lobby.tsx";
import { useMeetingKey } from "./useMeetingKey.ts";

const MeetingRoom = lazy(async () => ({ default: (await import("./MeetingRoom.tsx")).MeetingRoom }));

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
  const [live, setLive] = useState<LiveMeeting | null>(null);
  const title = meeting.data === undefined ? "" : meeting.data.title || t("meeting.untitled", { name: meeting.data.owner.name });
  usePageTitle(title || t("meeting.title"));
  useEffect(() => {
    // The room's code comes while people look at their hair.
    void import("./MeetingRoom.tsx");
  }, []);
  useEffect(() => () => void live?.session.leave(), [live]);

  if (meeting.isPending || me.isPending) return <Loading />;
  const refused = meeting.error ?? me.error;
  if (refused !== null && Problem.from(refused).kind === "sign-in-needed") return <SignInFirst code={code} />;
  if (refused !== null) return <Closed problem={Problem.from(refused)} onAgain={() => void queries.invalidateQueries()} />;
  if (meeting.data === undefined) return <Loading />;

  if (live !== null) {
    return (
      <Suspense fallback={<Loading />}>
        <MeetingRoom live={live} title={title} onAgain={() => setLive(null)} />
      </Suspense>
    );
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
        void import("../room/enter.ts").then(({ enterMeeting }) => setLive(enterMeeting({ hub, code, ...ready })));
      }}
    />
  );
}

function SignInFirst({ code }: { code: string }) {
  return <Navigate to={`/sign-in?next=${encodeURIComponent(`/m/${code}`)}`} replace />;
}
