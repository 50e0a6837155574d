import { Badge, Button, Code, Group, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Entry } from "./api.ts";
import { List } from "./List.tsx";
import { useAdmin, useMoment } from "./useAdmin.ts";

export function AuditTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const moment = useMoment();
  const [typedPerson, setPerson] = useState("");
  const [typedWord, setWord] = useState("");
  const [outcome, setOutcome] = useState<string | null>(null);
  const [person] = useDebouncedValue(typedPerson.trim(), 400);
  const [word] = useDebouncedValue(typedWord.trim(), 400);
  const wanted = { person, word, outcome: outcome ?? "" };
  return (
    <Stack>
      <Group align="end">
        <TextInput label={t("admin.auditPerson")} placeholder="ada@example.com" value={typedPerson} onChange={(event) => setPerson(event.currentTarget.value)} />
        <TextInput label={t("admin.auditWord")} placeholder="meeting" value={typedWord} onChange={(event) => setWord(event.currentTarget.value)} />
        <Select
          label={t("admin.outcome")}
          clearable
          clearButtonProps={{ "aria-label": t("admin.clear") }}
          value={outcome}
          onChange={setOutcome}
          data={[
            { value: "done", label: t("admin.outcomes.done") },
            { value: "refused", label: t("admin.outcomes.refused") },
          ]}
        />
        <Button component="a" href={admin.auditFile(wanted)} download variant="default">
          {t("admin.asFile")}
        </Button>
      </Group>
      <List
        label={t("admin.tab.audit")}
        of={["audit", wanted]}
        ask={(next) => admin.audit(wanted, next)}
        head={[t("admin.when"), t("admin.what"), t("admin.who"), t("admin.about"), t("admin.from")]}
        row={(entry) => (
          <>
            <Table.Td style={{ whiteSpace: "nowrap" }}>{moment(entry.at)}</Table.Td>
            <Table.Td>
              <Group gap="xs">
                <Code>{entry.word}</Code>
                {entry.outcome === "refused" ? <Badge color="red.9">{t("admin.outcomes.refused")}</Badge> : null}
              </Group>
            </Table.Td>
            <Table.Td>{entry.actor?.name ?? t(`admin.actor.${entry.actor_kind as "nobody"}`, { defaultValue: entry.actor_kind })}</Table.Td>
            <Table.Td>
              <About entry={entry} />
            </Table.Td>
            <Table.Td>{entry.source}</Table.Td>
          </>
        )}
      />
    </Stack>
  );
}

function About({ entry }: { entry: Entry }) {
  const details = Object.entries(entry.details).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return (
    <>
      {[entry.target?.name, entry.target_text].filter(Boolean).join(" · ")}
      {details.length === 0 ? null : (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {details.join(", ")}
        </Text>
      )}
    </>
  );
}
