import { Button, Center, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
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
  const pages = useInfiniteQuery({
    queryKey: [MEETINGS, when],
    queryFn: ({ pageParam }) => hub.meetings(when, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: 30_000,
  });
  if (pages.isPending) return <Loading />;
  const meetings = pages.data?.pages.flatMap((page) => page.meetings);
  return (
    <Stack gap="sm">
      <ProblemAlert error={pages.error} />
      {meetings?.length === 0 ? <Text c="dimmed">{t(when === "upcoming" ? "home.nothingAhead" : "home.nothingPast")}</Text> : null}
      {meetings?.length ? (
        <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }} aria-label={t(`home.${when}`)}>
          {meetings.map((meeting) => (
            <MeetingRow key={`${meeting.code} ${meeting.occurrence ?? ""}`} meeting={meeting} past={when === "past"} onEdit={onEdit} />
          ))}
        </Stack>
      ) : null}
      {pages.hasNextPage ? (
        <Center>
          <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            {t("home.more")}
          </Button>
        </Center>
      ) : null}
    </Stack>
  );
}
