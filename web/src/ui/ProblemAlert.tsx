import { Alert } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Problem } from "../core/api/problem.ts";
import { wordsFor } from "../core/words.ts";

/** Says in words what went wrong; nothing when nothing did. */
export function ProblemAlert({ error }: { error: unknown }) {
  const words = useProblemWords();
  if (error === null || error === undefined) return null;
  return (
    <Alert color="red" role="alert" icon={<IconAlertCircle aria-hidden />}>
      {words(error)}
    </Alert>
  );
}

export function useProblemWords(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    const { key, detail } = wordsFor(Problem.from(error));
    return t(key, { detail });
  };
}
