import { ActionIcon, Badge, Button, Group, Menu, Paper, Stack, Text } from "@mantine/core";
import { IconDots, IconNotes, IconPencil, IconRepeat, IconShieldLock, IconTrash, IconUsers } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Meeting } from "../core/api/types.ts";
import { keptKey, linkWithKey } from "../core/meetingKey.ts";
import { span } from "../core/when.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import { CancelDialog } from "./CancelDialog.tsx";
import { Replies } from "./Replies.tsx";

interface Props {
  meeting: Meeting;
  past: boolean;
  onEdit: (meeting: Meeting) => void;
}

export function MeetingRow({ meeting, past, onEdit }: Props) {
  const { t, i18n } = useTranslation();
  const [cancelling, setCancelling] = useState(false);
  const key = meeting.options.e2ee ? keptKey(window.localStorage, meeting.code) : null;
  const title = meeting.title || t("meeting.untitled", { name: meeting.owner.name });
  const when = meeting.begin_at !== null && meeting.end_at !== null ? span(meeting.begin_at, meeting.end_at, i18n.language) : t("home.anytime");
  return (
    <Paper component="li" withBorder p="md">
      <Group justify="space-between">
        <Stack gap={2} style={{ flex: "1 1 16rem", minWidth: 0 }}>
          <Group gap="xs">
            <Text fw={600} truncate maw="100%">
              {title}
            </Text>
            {meeting.series === null ? null : <IconRepeat size={16} role="img" aria-label={t("home.repeats")} />}
            {meeting.options.e2ee ? <IconShieldLock size={16} role="img" aria-label={t("e2ee.badge")} /> : null}
            {meeting.state === "running" ? <Badge color="teal.9">{t("home.running")}</Badge> : null}
            {meeting.state === "cancelled" ? <Badge color="gray" variant="outline" c="dimmed">{t("home.cancelled")}</Badge> : null}
          </Group>
          <Text size="sm" c="dimmed">
            {when}
            {meeting.is_owner ? null : ` · ${t("home.by", { name: meeting.owner.name })}`}
          </Text>
          {past || meeting.kind === "instant" ? null : <Replies meeting={meeting} />}
        </Stack>
        <Group gap="xs">
          {past ? null : (
            <>
              <CopyLink link={linkWithKey(meeting.link, key)} {...(key === null ? {} : { label: t("e2ee.copy") })} />
              <Button component={Link} to={`/m/${meeting.code}`} aria-label={t("home.joinNamed", { title })}>
                {t("home.join")}
              </Button>
            </>
          )}
          {past ? (
            <Button component={Link} to={`/m/${meeting.code}/minutes`} variant="default" leftSection={<IconNotes size={18} aria-hidden />}>
              {t("minutes.title")}
            </Button>
          ) : null}
          {!past && meeting.is_owner && meeting.kind === "scheduled" ? (
            <Menu position="bottom-end">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("home.moreFor", { title })}>
                  <IconDots size={20} aria-hidden />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={() => onEdit(meeting)}>
                  {t("home.edit")}
                </Menu.Item>
                <Menu.Item component={Link} to={`/m/${meeting.code}/details`} leftSection={<IconUsers size={16} aria-hidden />}>
                  {t("details.title")}
                </Menu.Item>
                <Menu.Item color="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setCancelling(true)}>
                  {t("home.cancel")}
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          ) : null}
        </Group>
      </Group>
      {cancelling ? <CancelDialog meeting={meeting} title={title} onClose={() => setCancelling(false)} /> : null}
    </Paper>
  );
}
