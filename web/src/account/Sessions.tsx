import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Session } from "../core/api/types.ts";
import { moment } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";

const SESSIONS = ["sessions"] as const;

/** Where one is signed in, and how to end that. */
export function Sessions() {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const sessions = useQuery({ queryKey: SESSIONS, queryFn: () => hub.sessions() });
  const refresh = () => queries.invalidateQueries({ queryKey: SESSIONS });
  const end = useMutation({ mutationFn: (id: string) => hub.endSession(id), onSuccess: refresh });
  const endOthers = useMutation({ mutationFn: () => hub.endOtherSessions(), onSuccess: refresh });
  return (
    <Section title={t("account.sessions")} what={t("account.sessionsWhat")}>
      <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }}>
        {sessions.data?.map((each) => (
          <SessionRow key={each.id} session={each} onEnd={() => end.mutate(each.id)} />
        ))}
      </Stack>
      <ProblemAlert error={sessions.error ?? end.error ?? endOthers.error} />
      {(sessions.data?.length ?? 0) < 2 ? null : (
        <Group>
          <Button variant="default" loading={endOthers.isPending} onClick={() => endOthers.mutate()}>
            {t("account.endOthers")}
          </Button>
        </Group>
      )}
    </Section>
  );
}

function SessionRow({ session, onEnd }: { session: Session; onEnd: () => void }) {
  const { t, i18n } = useTranslation();
  const { browser, system } = session;
  const device = browser !== null && system !== null ? t("account.device", { browser, system }) : (browser ?? system ?? t("account.unknownDevice"));
  return (
    <Group component="li" justify="space-between" wrap="nowrap">
      <div style={{ minWidth: 0 }}>
        <Group gap="xs">
          <Text>{device}</Text>
          {session.current ? <Badge variant="light">{t("account.thisOne")}</Badge> : null}
        </Group>
        <Text size="sm" c="dimmed">
          {[session.address, t("account.lastUsed", { at: moment(session.last_used_at, i18n.language) }), t("account.signedInAt", { at: moment(session.created_at, i18n.language) })]
            .filter(Boolean)
            .join(" · ")}
        </Text>
      </div>
      {session.current ? null : (
        <Button variant="subtle" color="red" style={{ flexShrink: 0 }} aria-label={t("account.endOne", { device })} onClick={onEnd}>
          {t("app.signOut")}
        </Button>
      )}
    </Group>
  );
}
