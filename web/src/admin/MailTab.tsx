import { Badge, Button, Group, SegmentedControl, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { List } from "./List.tsx";
import { useAct, useAdmin, useMoment } from "./useAdmin.ts";

const STATES = ["queued", "failed", "sent", "dropped"] as const;

export function MailTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const moment = useMoment();
  const [state, setState] = useState<string>("queued");
  const act = useAct((what: () => Promise<unknown>) => what());
  return (
    <Stack>
      <SegmentedControl aria-label={t("admin.state")} value={state} onChange={setState} data={STATES.map((value) => ({ value, label: t(`admin.mailState.${value}`) }))} />
      <ProblemAlert error={act.error} />
      <List
        label={t("admin.tab.mails")}
        of={["mails", state]}
        ask={(next) => admin.mails({ state }, next)}
        head={[t("admin.recipient"), t("admin.subject"), t("admin.created"), t("admin.tries"), t("admin.actions")]}
        row={(mail) => (
          <>
            <Table.Td>{mail.recipient}</Table.Td>
            <Table.Td>
              {mail.subject === "" ? <Badge color="gray.8">{t("admin.signInCode")}</Badge> : mail.subject}
              {mail.error === null ? null : (
                <Text size="sm" c="dimmed">
                  {mail.error}
                </Text>
              )}
            </Table.Td>
            <Table.Td>{moment(mail.created_at)}</Table.Td>
            <Table.Td>{mail.attempts}</Table.Td>
            <Table.Td>
              <Group gap="xs" wrap="nowrap">
                {mail.state === "queued" || mail.state === "failed" ? (
                  <Button size="xs" variant="default" onClick={() => act.mutate(() => admin.retryMail(mail))}>
                    {t("admin.retry")}
                  </Button>
                ) : null}
                {mail.state === "queued" ? (
                  <Button size="xs" variant="outline" color="red" onClick={() => act.mutate(() => admin.dropMail(mail))}>
                    {t("admin.drop")}
                  </Button>
                ) : null}
              </Group>
            </Table.Td>
          </>
        )}
      />
    </Stack>
  );
}
