/** Whom a meeting expects: who was invited and what became of it, and who does not come in again. For those who lead it. */
import { Badge, Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import type { Ban, Meeting } from "../core/api/types.ts";
import { span } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { usePageTitle } from "../ui/usePageTitle.ts";

type Invitee = NonNullable<Meeting["invitees"]>[number];

export function DetailsPage() {
  const { t, i18n } = useTranslation();
  const { code = "" } = useParams();
  const hub = useHub();
  usePageTitle(t("details.title"));
  const meeting = useQuery({ queryKey: ["meeting", code], queryFn: () => hub.meeting(code) });
  const bans = useQuery({ queryKey: ["bans", code], queryFn: () => hub.bans(code), retry: false });
  if (meeting.isPending) return <Loading />;
  if (meeting.data === undefined) return <ProblemAlert error={meeting.error} />;
  const { title, owner, begin_at: beginAt, end_at: endAt } = meeting.data;
  const invitees = "invitees" in meeting.data ? (meeting.data.invitees ?? []) : [];
  return (
    <Stack gap="xl">
      <div>
        <Title order={1}>{title || t("meeting.untitled", { name: owner.name })}</Title>
        <Text c="dimmed">{beginAt !== null && endAt !== null ? span(beginAt, endAt, i18n.language) : t("home.anytime")}</Text>
      </div>
      <Stack gap="xs">
        <Title order={2}>{t("details.invited")}</Title>
        {invitees.length === 0 ? <Text c="dimmed">{t("details.nobody")}</Text> : <Invited invitees={invitees} />}
      </Stack>
      {bans.data === undefined || bans.data.length === 0 ? null : <Bans code={code} bans={bans.data} />}
    </Stack>
  );
}

function Invited({ invitees }: { invitees: Invitee[] }) {
  const { t } = useTranslation();
  return (
    <Table.ScrollContainer minWidth={520} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": t("details.invited") } }}>
      <Table aria-label={t("details.invited")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("details.who")}</Table.Th>
            <Table.Th>{t("details.reply")}</Table.Th>
            <Table.Th>{t("details.mail")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {invitees.map((each) => (
            <Table.Tr key={each.email}>
              <Table.Td>
                <Text>{each.name || each.email}</Text>
                {each.name ? (
                  <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                    {each.email}
                  </Text>
                ) : null}
              </Table.Td>
              <Table.Td>{each.reply === "none" ? "–" : t(`reply.${each.reply as "accepted"}`)}</Table.Td>
              <Table.Td>
                <Delivery of={each.delivery} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

const COLORS = { sent: "teal.9", queued: "gray.8", failed: "red.9" } as const;

/** How it went with the last mail. What a mail server said is shown as it said it. */
function Delivery({ of }: { of: Invitee["delivery"] }) {
  const { t } = useTranslation();
  if (of === null) return <>–</>;
  return (
    <Stack gap={2} align="start">
      <Badge color={COLORS[of.state as keyof typeof COLORS]}>{t(`details.delivery.${of.state as "sent"}`)}</Badge>
      {of.trouble === null ? null : <Text size="sm">{t(`details.trouble.${of.trouble}`)}</Text>}
      {of.detail === "" ? null : (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {of.detail}
        </Text>
      )}
    </Stack>
  );
}

function Bans({ code, bans }: { code: string; bans: Ban[] }) {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const pardon = useMutation({ mutationFn: (id: string) => hub.pardon(code, id), onSettled: () => queries.invalidateQueries({ queryKey: ["bans", code] }) });
  return (
    <Stack gap="xs">
      <Title order={2}>{t("details.banned")}</Title>
      <ProblemAlert error={pardon.error} />
      <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }} aria-label={t("details.banned")}>
        {bans.map(({ id, name }) => (
          <Group component="li" key={id} justify="space-between">
            <Text>{name}</Text>
            <Button variant="default" onClick={() => pardon.mutate(id)} aria-label={t("details.pardonNamed", { name })}>
              {t("details.pardon")}
            </Button>
          </Group>
        ))}
      </Stack>
    </Stack>
  );
}
