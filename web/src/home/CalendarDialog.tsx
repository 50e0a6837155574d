import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { MyCalendar } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import { Dialog } from "../ui/Dialog.tsx";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";

const CALENDAR = ["calendar"];
const MINUTES = [5, 10, 15, 30, 60] as const;

/** When one is reminded, and the calendar to subscribe to. */
export function CalendarDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const mine = useQuery({ queryKey: CALENDAR, queryFn: () => hub.calendar() });
  const took = { onSuccess: (value: MyCalendar) => queries.setQueryData(CALENDAR, value) };
  const remind = useMutation({ mutationFn: (minutes: (typeof MINUTES)[number] | null) => hub.remindMe(minutes), ...took });
  const renew = useMutation({ mutationFn: () => hub.renewFeed(), ...took });
  const revoke = useMutation({ mutationFn: () => hub.revokeFeed(), onSuccess: () => queries.invalidateQueries({ queryKey: CALENDAR }) });
  return (
    <Dialog onClose={onClose} title={t("calendar.title")}>
      {mine.isPending ? <Loading /> : null}
      <ProblemAlert error={mine.error ?? remind.error ?? renew.error ?? revoke.error} />
      {mine.data === undefined ? null : (
        <Stack>
          <Select
            label={t("calendar.reminder")}
            data={[...MINUTES.map((minutes) => ({ value: String(minutes), label: t("calendar.before", { count: minutes }) })), { value: "never", label: t("calendar.never") }]}
            value={mine.data.reminder_minutes === null ? "never" : String(mine.data.reminder_minutes)}
            allowDeselect={false}
            comboboxProps={{ keepMounted: false }}
            onChange={(value) => remind.mutate(MINUTES.find((minutes) => String(minutes) === value) ?? null)}
          />
          <Text fw={600}>{t("calendar.feed")}</Text>
          <Text size="sm" c="dimmed">
            {t("calendar.feedWhat")}
          </Text>
          <Group>
            {mine.data.feed === null ? (
              <Button loading={renew.isPending} onClick={() => renew.mutate()}>
                {t("calendar.make")}
              </Button>
            ) : (
              <>
                <Button component="a" href={mine.data.feed.replace(/^https?:/, "webcal:")}>
                  {t("calendar.subscribe")}
                </Button>
                <CopyLink link={mine.data.feed} />
                <Button variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>
                  {t("calendar.renew")}
                </Button>
                <Button variant="subtle" color="red" loading={revoke.isPending} onClick={() => revoke.mutate()}>
                  {t("calendar.revoke")}
                </Button>
              </>
            )}
          </Group>
        </Stack>
      )}
    </Dialog>
  );
}
