import { Badge, Button, Group, SegmentedControl, Stack, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { span } from "../core/when.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { Invited } from "../ui/Invited.tsx";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Planned } from "./api.ts";
import { List } from "./List.tsx";
import { ADMIN, useAdmin } from "./useAdmin.ts";

const WHEN = ["upcoming", "past"] as const;

export function MeetingsTab() {
  const { t, i18n } = useTranslation();
  const admin = useAdmin();
  const [when, setWhen] = useState<string>("upcoming");
  const [typed, setTyped] = useState("");
  const [text] = useDebouncedValue(typed.trim(), 400);
  const [shown, setShown] = useState<Planned | null>(null);
  return (
    <Stack>
      <Group align="end">
        <TextInput
          label={t("admin.searchMeetings")}
          placeholder="ada@example.com"
          value={typed}
          maxLength={254}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <SegmentedControl aria-label={t("admin.when")} value={when} onChange={setWhen} data={WHEN.map((value) => ({ value, label: t(`admin.planned.${value}`) }))} />
      </Group>
      <List
        label={t("admin.tab.meetings")}
        of={["meetings", when, text]}
        ask={(next) => admin.meetings({ when, text }, next)}
        head={[t("admin.meeting"), t("admin.owner"), t("admin.when"), t("admin.invitations")]}
        row={(meeting) => (
          <>
            <Table.Td>
              <Group gap="xs">
                <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                  {meeting.title}
                </Text>
                {meeting.cancelled ? <Badge color="red.9">{t("admin.planned.cancelled")}</Badge> : null}
                {meeting.recurs ? <Badge color="gray.8">{t("admin.planned.recurs")}</Badge> : null}
              </Group>
            </Table.Td>
            <Table.Td>
              {meeting.owner.name}
              <Text size="sm" c="dimmed">
                {meeting.owner.email}
              </Text>
            </Table.Td>
            <Table.Td>{span(meeting.begin_at, meeting.end_at, i18n.language)}</Table.Td>
            <Table.Td>
              {meeting.invited === 0 ? (
                "–"
              ) : (
                <Button size="xs" variant="default" onClick={() => setShown(meeting)} aria-label={t("admin.invitationsOf", { title: meeting.title })}>
                  {t("admin.planned.counts", { accepted: meeting.accepted, invited: meeting.invited })}
                </Button>
              )}
              {meeting.not_reached === 0 ? null : (
                <Text size="sm" c="red.9">
                  {t("admin.planned.notReached", { count: meeting.not_reached })}
                </Text>
              )}
            </Table.Td>
          </>
        )}
      />
      {shown === null ? null : <InvitationsDialog of={shown} onClose={() => setShown(null)} />}
    </Stack>
  );
}

function InvitationsDialog({ of, onClose }: { of: Planned; onClose: () => void }) {
  const admin = useAdmin();
  const invitations = useQuery({ queryKey: [ADMIN, "invitations", of.id], queryFn: () => admin.invitations(of) });
  return (
    <Dialog title={of.title} size="lg" onClose={onClose}>
      {invitations.isPending ? <Loading /> : null}
      <ProblemAlert error={invitations.error} />
      {invitations.data === undefined ? null : <Invited invitees={invitations.data} />}
    </Dialog>
  );
}
