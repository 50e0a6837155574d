import { Button, Group, Stack, Table, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { PlainTable } from "./List.tsx";
import { ADMIN, useAdmin } from "./useAdmin.ts";

export function UsageTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const [month, setMonth] = useState(new Date().toISOString().slice(0, 7));
  const valid = /^20\d\d-(0[1-9]|1[0-2])$/.test(month);
  const usage = useQuery({ queryKey: [ADMIN, "usage", month], queryFn: () => admin.usage(month), enabled: valid });
  const figures = ["people", "guests", "meetings", "participant_minutes", "peak"] as const;
  return (
    <Stack>
      <Group align="end">
        <TextInput type="month" label={t("admin.month")} placeholder="2026-11" value={month} onChange={(event) => setMonth(event.currentTarget.value)} error={valid ? null : t("admin.monthWhat")} />
        <Button component="a" href={admin.usageFile(month)} download variant="default" disabled={!valid}>
          {t("admin.asFile")}
        </Button>
      </Group>
      {usage.isPending && valid ? <Loading /> : null}
      <ProblemAlert error={usage.error} />
      {usage.data === undefined ? null : (
        <PlainTable label={t("admin.tab.usage")} head={[t("admin.what"), t("admin.number")]}>
          {figures.map((name) => (
            <Table.Tr key={name}>
              <Table.Td>{t(`admin.usage.${name}`)}</Table.Td>
              <Table.Td>{usage.data[name]}</Table.Td>
            </Table.Tr>
          ))}
          {Object.entries(usage.data.servers).map(([server, minutes]) => (
            <Table.Tr key={server}>
              <Table.Td>{t("admin.usage.onServer", { server: server || "–" })}</Table.Td>
              <Table.Td>{minutes}</Table.Td>
            </Table.Tr>
          ))}
        </PlainTable>
      )}
    </Stack>
  );
}
