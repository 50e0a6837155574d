import { Alert, Badge, Button, Code, Group, MultiSelect, Paper, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Webhook } from "./api.ts";
import { PlainTable } from "./List.tsx";
import { ADMIN, useAct, useAdmin, useMoment } from "./useAdmin.ts";

export function WebhooksTab() {
  const { t } = useTranslation();
  const admin = useAdmin();
  const [secret, setSecret] = useState<string | null>(null);
  const hooks = useQuery({ queryKey: [ADMIN, "webhooks"], queryFn: () => admin.webhooks() });
  if (hooks.isPending) return <Loading />;
  if (hooks.error !== null) return <ProblemAlert error={hooks.error} />;
  return (
    <Stack>
      <NewWebhook events={hooks.data.events} onSecret={setSecret} />
      {secret === null ? null : (
        <Alert color="blue" role="status" title={t("admin.hook.secret")} withCloseButton closeButtonLabel={t("app.close")} onClose={() => setSecret(null)}>
          <Text size="sm">{t("admin.hook.secretWhat")}</Text>
          <Code>{secret}</Code>
        </Alert>
      )}
      {hooks.data.webhooks.map((hook) => (
        <OneWebhook key={hook.id} hook={hook} onSecret={setSecret} />
      ))}
    </Stack>
  );
}

function NewWebhook({ events, onSecret }: { events: string[]; onSecret: (secret: string) => void }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  const [url, setUrl] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const add = useAct(async () => {
    const made = await admin.addWebhook(url, chosen, "");
    onSecret(made.secret);
    setUrl("");
    setChosen([]);
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate(undefined);
      }}
    >
      <Stack gap="xs">
        <Group align="end">
          <TextInput label={t("admin.hook.url")} placeholder="https://example.com/hook" value={url} onChange={(event) => setUrl(event.currentTarget.value)} style={{ flex: "1 1 16rem" }} />
          <MultiSelect label={t("admin.hook.events")} data={events} value={chosen} onChange={setChosen} style={{ flex: "1 1 16rem" }} />
          <Button type="submit" loading={add.isPending} disabled={url === "" || chosen.length === 0}>
            {t("admin.hook.add")}
          </Button>
        </Group>
        <ProblemAlert error={add.error} />
      </Stack>
    </form>
  );
}

function OneWebhook({ hook, onSecret }: { hook: Webhook; onSecret: (secret: string) => void }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  const moment = useMoment();
  const [open, setOpen] = useState(false);
  const act = useAct((what: () => Promise<unknown>) => what());
  const deliveries = useQuery({ queryKey: [ADMIN, "deliveries", hook.id], queryFn: () => admin.deliveries(hook), enabled: open, refetchInterval: 3000 });
  return (
    <Paper withBorder p="md">
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={2} size="h5" style={{ overflowWrap: "anywhere" }}>
            {hook.url}
          </Title>
          <Badge color={!hook.enabled ? "gray.8" : hook.failing_since === null ? "teal.9" : "red.9"}>
            {!hook.enabled ? t("admin.hook.off") : hook.failing_since === null ? t("admin.hook.on") : t("admin.hook.failing", { since: moment(hook.failing_since) })}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {hook.events.join(", ")}
        </Text>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => act.mutate(() => admin.testWebhook(hook).then(() => setOpen(true)))}>
            {t("admin.hook.test")}
          </Button>
          <Button size="xs" variant="default" onClick={() => setOpen(!open)} aria-expanded={open}>
            {t("admin.hook.log")}
          </Button>
          <Button size="xs" variant="default" onClick={() => act.mutate(() => admin.enableWebhook(hook, !hook.enabled))}>
            {t(hook.enabled ? "admin.hook.switchOff" : "admin.hook.switchOn")}
          </Button>
          <Button size="xs" variant="default" onClick={() => act.mutate(async () => onSecret((await admin.renewSecret(hook)).secret))}>
            {t("admin.hook.renew")}
          </Button>
          <Button size="xs" variant="outline" color="red" onClick={() => act.mutate(() => admin.deleteWebhook(hook))} aria-label={t("admin.hook.deleteNamed", { url: hook.url })}>
            {t("admin.hook.delete")}
          </Button>
        </Group>
        <ProblemAlert error={act.error} />
        {open && deliveries.data !== undefined ? (
          <PlainTable label={t("admin.hook.log")} head={[t("admin.when"), t("admin.what"), t("admin.state"), t("admin.tries"), t("admin.hook.answer")]}>
            {deliveries.data.map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td>{moment(one.created_at)}</Table.Td>
                <Table.Td>{one.event}</Table.Td>
                <Table.Td>{t(`admin.deliveryState.${one.state as "queued"}`)}</Table.Td>
                <Table.Td>{one.attempts}</Table.Td>
                <Table.Td>{one.error || one.status || "–"}</Table.Td>
              </Table.Tr>
            ))}
          </PlainTable>
        ) : null}
      </Stack>
    </Paper>
  );
}
