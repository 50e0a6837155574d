import { Button, Center, Group, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Problem } from "../core/api/problem.ts";
import type { LeftReason } from "../core/session.ts";
import { useProblemWords } from "../ui/ProblemAlert.tsx";

interface Props {
  problem?: Problem;
  state?: "ended" | "cancelled";
  left?: LeftReason;
  /** Where going back in makes sense. */
  onAgain?: () => void;
}

/** There is no meeting here (any more), and why. */
export function Closed({ problem, state, left, onAgain }: Props) {
  const { t } = useTranslation();
  const words = useProblemWords();
  const why = left !== undefined ? t(`closed.${left}`) : state !== undefined ? t(`closed.${state}`) : words(problem);
  return (
    <Center component="main" h="100%" p="md">
      <Stack align="center" role="status">
        <Title order={1} size="h2" ta="center">
          {why}
        </Title>
        {left === "left" ? <Text c="dimmed">{t("closed.thanks")}</Text> : null}
        <Group justify="center">
          {onAgain === undefined ? null : <Button onClick={onAgain}>{t(left === undefined ? "closed.retry" : "closed.rejoin")}</Button>}
          <Button component={Link} to="/" variant="default">
            {t("app.toStart")}
          </Button>
        </Group>
      </Stack>
    </Center>
  );
}
