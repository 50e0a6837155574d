/** Whom a meeting expects: who was invited and what became of it, and who does not come in again. For those who lead it. */
import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import type { Ban } from "../core/api/types.ts";
import { span } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { Invited } from "../ui/Invited.tsx";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { usePageTitle } from "../ui/usePageTitle.ts";

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
