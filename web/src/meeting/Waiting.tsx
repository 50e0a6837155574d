import { Button, Center, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Phase } from "../core/session.ts";
import { useProblemWords } from "../ui/ProblemAlert.tsx";

interface Props {
  phase: Extract<Phase, { name: "asking" | "connecting" | "waiting" }>;
  onNow: () => void;
  onCancel: () => void;
}

/** On the way in: what is being done, and when the next try comes by itself. */
export function Waiting({ phase, onNow, onCancel }: Props) {
  const { t } = useTranslation();
  const words = useProblemWords();
  const waiting = phase.name === "waiting";
  return (
    <Center component="main" h="100%" p="md">
      <Stack align="center" maw={420}>
        <Loader aria-hidden />
        <div role="status">
          <Title order={1} size="h3" ta="center">
            {waiting ? words(phase.problem) : t(phase.name === "asking" ? "waiting.asking" : "waiting.connecting")}
          </Title>
        </div>
        {waiting ? <Countdown until={phase.until} /> : null}
        <Group>
          {waiting ? <Button onClick={onNow}>{t("waiting.now")}</Button> : null}
          <Button variant="default" onClick={onCancel}>
            {t("waiting.cancel")}
          </Button>
        </Group>
      </Stack>
    </Center>
  );
}

export function Countdown({ until }: { until: number }) {
  const { t } = useTranslation();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  return <Text c="dimmed">{t("waiting.again", { count: Math.max(0, Math.ceil((until - now) / 1000)) })}</Text>;
}
