/** The page of the links in invitations: what is asked, and three buttons. Opening it answers nothing. */
import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useLocation, useSearchParams } from "react-router";
import type { Answer } from "../core/api/types.ts";
import { span } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { usePageTitle } from "../ui/usePageTitle.ts";

const ANSWERS: Answer[] = ["accepted", "tentative", "declined"];

export function ReplyPage() {
  const { t, i18n } = useTranslation();
  usePageTitle(t("reply.title"));
  const hub = useHub();
  const token = useLocation().hash.slice(1);
  const [query] = useSearchParams();
  const asked = useQuery({ queryKey: ["reply", token], queryFn: () => hub.lookAtReply(token), retry: false });
  const send = useMutation({ mutationFn: (answer: Answer) => hub.replyByLink(token, answer) });
  if (asked.isPending) return <Loading />;
  if (asked.isError) return <ProblemAlert error={asked.error} />;
  const shown = send.data ?? asked.data;
  const over = shown.state === "ended" || shown.state === "cancelled";
  return (
    <Paper withBorder p="xl" maw={560} mx="auto">
      <Stack>
        <Text c="dimmed">{t("reply.invites", { name: shown.owner })}</Text>
        <Title order={1} size="h2">
          {shown.title}
        </Title>
        <Text>{span(shown.begin_at, shown.end_at, i18n.language)}</Text>
        {shown.recurrence === null ? null : <Text c="dimmed">{t("reply.series")}</Text>}
        <ProblemAlert error={send.error} />
        {over ? (
          <Text role="status">{t("reply.over")}</Text>
        ) : (
          <>
            <Text fw={600}>{t("reply.question")}</Text>
            <Group>
              {ANSWERS.map((answer) => (
                <Button
                  key={answer}
                  variant={(shown.reply === "none" ? query.get("answer") : shown.reply) === answer ? "filled" : "default"}
                  loading={send.isPending && send.variables === answer}
                  onClick={() => send.mutate(answer)}
                >
                  {t(`reply.${answer}`)}
                </Button>
              ))}
            </Group>
            <Text role="status" size="sm" c="dimmed">
              {shown.reply === "none" ? t("reply.press") : t("reply.saved", { name: shown.owner })}
            </Text>
          </>
        )}
      </Stack>
    </Paper>
  );
}
