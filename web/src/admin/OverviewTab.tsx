import { Badge, Button, Group, Paper, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Overview, Server } from "./api.ts";
import { PlainTable } from "./List.tsx";
import { ADMIN, useAct, useAdmin, useMoment } from "./useAdmin.ts";

export function OverviewTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const overview = useQuery({ queryKey: [ADMIN, "overview"], queryFn: () => admin.overview(), refetchInterval: 5000 });
  if (overview.isPending) return <Loading />;
  if (overview.error !== null) return <ProblemAlert error={overview.error} />;
  const { people, meetings, servers, mails } = overview.data;
  return (
    <Stack gap="xl">
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        <Figure label={t("admin.figure.people")} value={people} />
        <Figure label={t("admin.figure.meetings")} value={meetings.length} />
        <Figure label={t("admin.figure.inMeetings")} value={meetings.reduce((sum, one) => sum + one.people, 0)} />
        <Figure label={t("admin.figure.mails")} value={mails["queued"] ?? 0} />
      </SimpleGrid>
      <Meetings meetings={meetings} />
      <Servers servers={servers} />
    </Stack>
  );
}

function Figure({ label, value }: { label: string; value: number }) {
  return (
    <Paper withBorder p="md">
      <Text size="xl" fw={700}>
        {value}
      </Text>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
    </Paper>
  );
}

function Meetings({ meetings }: { meetings: Overview["meetings"] }) {
  const { t } = useTranslation();
  const hub = useHub();
  const moment = useMoment();
  const end = useAct((code: string) => hub.end(code));
  return (
    <Stack>
      <Title order={2}>{t("admin.live")}</Title>
      <ProblemAlert error={end.error} />
      {meetings.length === 0 ? (
        <Text c="dimmed">{t("admin.noMeetings")}</Text>
      ) : (
        <PlainTable label={t("admin.live")} head={[t("admin.meeting"), t("admin.owner"), t("admin.since"), t("admin.people"), t("admin.server"), t("admin.actions")]}>
          {meetings.map((one) => (
            <Table.Tr key={one.id}>
              <Table.Td>{one.title}</Table.Td>
              <Table.Td>{one.owner.name}</Table.Td>
              <Table.Td>{moment(one.since)}</Table.Td>
              <Table.Td>{one.people}</Table.Td>
              <Table.Td>{one.server}</Table.Td>
              <Table.Td>
                <Button size="xs" color="red" variant="outline" onClick={() => end.mutate(one.code)} aria-label={t("admin.endNamed", { title: one.title })}>
                  {t("admin.end")}
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </PlainTable>
      )}
    </Stack>
  );
}

/** Seconds of silence after which a server is shown as gone. */
const SILENCE = 10;

function Servers({ servers }: { servers: Server[] }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  const drain = useAct(({ server, drained }: { server: Server; drained: boolean }) => admin.drain(server, drained));
  const newest = Math.max(...servers.map((server) => Date.parse(server.beat_at)));
  const state = (server: Server) => {
    if (server.state === "stopped" || newest - Date.parse(server.beat_at) > SILENCE * 1000) return "gone";
    return server.drained || server.state === "draining" ? "draining" : server.state === "ready" ? "ready" : "starting";
  };
  const COLORS = { gone: "gray", draining: "#b33c0a", ready: "teal.9", starting: "blue" } as const;
  return (
    <Stack>
      <Title order={2}>{t("admin.servers")}</Title>
      <ProblemAlert error={drain.error} />
      <PlainTable label={t("admin.servers")} head={[t("admin.kind"), t("admin.address"), t("admin.state"), t("admin.load"), t("admin.version"), t("admin.certificate"), t("admin.actions")]}>
        {servers.map((server) => (
          <Table.Tr key={`${server.kind} ${server.address}`}>
            <Table.Td>{server.kind}</Table.Td>
            <Table.Td>{server.address}</Table.Td>
            <Table.Td>
              <Badge miw="max-content" color={COLORS[state(server)]}>{t(`admin.serverState.${state(server)}`)}</Badge>
            </Table.Td>
            <Table.Td>{Math.round(server.load * 100)} %</Table.Td>
            <Table.Td>{server.version}</Table.Td>
            <Table.Td>
              <Certificate of={server.details["certificate"]} now={Date.parse(server.beat_at)} />
            </Table.Td>
            <Table.Td>
              <Group gap="xs">
                <Button
                  size="xs"
                  variant="default"
                  onClick={() => drain.mutate({ server, drained: !server.drained })}
                  aria-label={t(server.drained ? "admin.undrainNamed" : "admin.drainNamed", { address: server.address })}
                >
                  {t(server.drained ? "admin.undrain" : "admin.drain")}
                </Button>
              </Group>
            </Table.Td>
          </Table.Tr>
        ))}
      </PlainTable>
    </Stack>
  );
}

/** Days before its end at which a certificate is pointed out: those of an authority are renewed before. */
const SOON = 14;

/** Until when a server's certificate is good, and what hinders its renewal; a server may have none. */
function Certificate({ of, now }: { of: unknown; now: number }) {
  const { t } = useTranslation();
  const moment = useMoment();
  const { until, trouble } = (of ?? {}) as { until?: string | null; trouble?: string | null };
  if (!until) return <>–</>;
  const soon = Date.parse(until) - now < SOON * 86_400_000;
  return (
    <>
      <Text size="sm">{moment(until)}</Text>
      {soon ? <Badge miw="max-content" color="red.9">{t("admin.certificateEnds")}</Badge> : null}
      {trouble ? (
        <Text size="xs" c="dimmed">
          {trouble}
        </Text>
      ) : null}
    </>
  );
}
