import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Meeting } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { MeetingRow } from "./MeetingRow.tsx";

export const MEETINGS = "meetings";

export function MeetingList({ when, onEdit }: { when: "upcoming" | "past"; onEdit: (meeting: Meeting) => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const meetings = useQuery({ queryKey: [MEETINGS, when], queryFn: () => hub.meetings(when), refetchInterval: 30_000 });
  if (meetings.isPending) return <Loading />;
  return (
    <Stack gap="sm">
      <ProblemAlert error={meetings.error} />
      {meetings.data?.length === 0 ? <Text c="dimmed">{t(when === "upcoming" ? "home.nothingAhead" : "home.nothingPast")}</Text> : null}
      {meetings.data?.length ? (
        <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }} aria-label={t(`home.${when}`)}>
          {meetings.data.map((meeting) => (
            <MeetingRow key={`${meeting.code} ${meeting.occurrence ?? ""}`} meeting={meeting} past={when === "past"} onEdit={onEdit} />
          ))}
        </Stack>
      ) : null}
    </Stack>
  );
}
