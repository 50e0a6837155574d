import { Alert, Anchor, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { usePageTitle } from "../ui/usePageTitle.ts";

/** Who was in a meeting, from when to when; for those who lead it. */
export function AttendancePage() {
  const { t, i18n } = useTranslation();
  const { code = "" } = useParams();
  const hub = useHub();
  usePageTitle(t("attendance.title"));
  const { data, error, isPending } = useQuery({ queryKey: ["attendance", code], queryFn: () => hub.attendance(code) });
  if (isPending) return <Loading />;
  if (data === undefined) return <ProblemAlert error={error} />;
  const moment = new Intl.DateTimeFormat(i18n.language, { dateStyle: "short", timeStyle: "short" });
  const at = (text: string | null) => (text === null ? t("attendance.there") : moment.format(new Date(text)));
  return (
    <Stack>
      <Group justify="space-between" align="baseline">
        <Title order={1} size="h2">
          {t("attendance.title")}
        </Title>
        {data.recorded ? <Anchor href={`/api/v1/meetings/${encodeURIComponent(code)}/attendance.csv`}>{t("attendance.download")}</Anchor> : null}
      </Group>
      {data.recorded ? null : <Alert>{t("attendance.notRecorded")}</Alert>}
      {data.recorded && data.people.length === 0 ? <Text c="dimmed">{t("attendance.nobody")}</Text> : null}
      {data.people.length === 0 ? null : (
        <Table.ScrollContainer minWidth={520} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Table aria-label={t("attendance.title")}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("attendance.who")}</Table.Th>
                <Table.Th>{t("attendance.joined")}</Table.Th>
                <Table.Th>{t("attendance.left")}</Table.Th>
                <Table.Th ta="end">{t("attendance.inAll")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.people.map(({ id, name, email, seconds, stays }) => (
                <Table.Tr key={id}>
                  <Table.Td>
                    <Text>{name}</Text>
                    <Text size="sm" c="dimmed">
                      {email ?? t("people.guest")}
                    </Text>
                  </Table.Td>
                  <Table.Td>{stays.map(({ joined_at }) => <Text key={joined_at} size="sm">{at(joined_at)}</Text>)}</Table.Td>
                  <Table.Td>{stays.map(({ joined_at, left_at }) => <Text key={joined_at} size="sm">{at(left_at)}</Text>)}</Table.Td>
                  <Table.Td ta="end">{t("attendance.minutes", { count: Math.round(seconds / 60) })}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}
