import { ActionIcon, Button, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { IconCalendarCog, IconCalendarPlus, IconVideoPlus } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate } from "react-router";
import type { Meeting } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { later } from "../ui/later.tsx";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { useMe } from "../ui/useMe.ts";
import { usePageTitle } from "../ui/usePageTitle.ts";
import { MeetingList } from "./MeetingList.tsx";

// The calendar's parts are large: they come when a dialog opens.
const CalendarDialog = later(async () => (await import("./CalendarDialog.tsx")).CalendarDialog);
const ScheduleDialog = later(async () => (await import("./ScheduleDialog.tsx")).ScheduleDialog);

export function HomePage() {
  const { t } = useTranslation();
  usePageTitle(t("home.title"));
  const me = useMe();
  const hub = useHub();
  const navigate = useNavigate();
  const [editing, setEditing] = useState<Meeting | "new" | null>(null);
  const [calendar, setCalendar] = useState(false);
  const open = useMutation({ mutationFn: () => hub.openInstant(), onSuccess: (meeting) => navigate(`/m/${meeting.code}`) });
  if (me.isPending) return <Loading />;
  if (me.isError) return <ProblemAlert error={me.error} />;
  if (me.data.person === null) return <Navigate to="/sign-in" replace />;
  const mayCreate = me.data.server.house.creators === "everyone" || me.data.person.administrator;
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1}>{t("home.title")}</Title>
        <Group gap="xs">
          {mayCreate ? (
            <>
              <Button leftSection={<IconVideoPlus size={20} aria-hidden />} loading={open.isPending} onClick={() => open.mutate()}>
                {t("home.new")}
              </Button>
              <Button variant="default" leftSection={<IconCalendarPlus size={20} aria-hidden />} onClick={() => setEditing("new")}>
                {t("home.schedule")}
              </Button>
            </>
          ) : null}
          <ActionIcon variant="default" size="lg" aria-label={t("calendar.title")} onClick={() => setCalendar(true)}>
            <IconCalendarCog size={20} aria-hidden />
          </ActionIcon>
        </Group>
      </Group>
      {mayCreate ? null : <Text c="dimmed">{t("home.onlyAdministrators")}</Text>}
      <ProblemAlert error={open.error} />
      <Tabs defaultValue="upcoming" keepMounted={false}>
        <Tabs.List aria-label={t("home.title")}>
          <Tabs.Tab value="upcoming">{t("home.upcoming")}</Tabs.Tab>
          <Tabs.Tab value="past">{t("home.past")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="upcoming" pt="md">
          <MeetingList when="upcoming" onEdit={setEditing} />
        </Tabs.Panel>
        <Tabs.Panel value="past" pt="md">
          <MeetingList when="past" onEdit={setEditing} />
        </Tabs.Panel>
      </Tabs>
      {calendar ? <CalendarDialog onClose={() => setCalendar(false)} /> : null}
      {editing === null ? null : <ScheduleDialog meeting={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
    </Stack>
  );
}
