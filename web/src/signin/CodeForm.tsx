import { Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Problem } from "../core/api/problem.ts";
import type { Person } from "../core/api/types.ts";
import { CODE_LENGTH, digitsOf, isComplete } from "../core/code.ts";
import { useHub } from "../hub.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { DemoMailbox } from "./DemoMailbox.tsx";

interface Props {
  email: string;
  demo: boolean;
  onBack: () => void;
  onSignedIn: (person: Person) => void;
}

export function CodeForm({ email, demo, onBack, onSignedIn }: Props) {
  const { t } = useTranslation();
  const hub = useHub();
  const [code, setCode] = useState("");
  const signIn = useMutation({
    mutationFn: (digits: string) => hub.signIn(email, digits),
    onSuccess: ({ person }) => onSignedIn(person),
    onError: () => setCode(""),
  });
  const again = useMutation({ mutationFn: () => hub.requestCode(email), onSuccess: () => signIn.reset() });
  const left = signIn.error === null ? null : attemptsLeft(signIn.error);

  function enter(text: string): void {
    const digits = digitsOf(text);
    setCode(digits);
    if (isComplete(digits) && !signIn.isPending) signIn.mutate(digits);
  }

  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (isComplete(code) && !signIn.isPending) signIn.mutate(code);
      }}
    >
      <Stack>
        <Title order={1} size="h2">
          {t("signIn.codeTitle")}
        </Title>
        <Text c="dimmed">{t("signIn.codeSent", { email })}</Text>
        <TextInput
          label={t("signIn.code")}
          description={t("signIn.codeHint", { count: CODE_LENGTH })}
          name="code"
          autoComplete="one-time-code"
          inputMode="numeric"
          autoFocus
          size="lg"
          styles={{ input: { letterSpacing: "0.4em", fontVariantNumeric: "tabular-nums" } }}
          value={code}
          onChange={(event) => enter(event.currentTarget.value)}
          error={left === null ? null : t("signIn.wrongCode", { count: left })}
        />
        {left === null ? <ProblemAlert error={signIn.error ?? again.error} /> : null}
        {again.isSuccess ? <Text role="status">{t("signIn.sentAgain")}</Text> : null}
        <Button type="submit" size="md" loading={signIn.isPending} disabled={!isComplete(code)}>
          {t("signIn.enter")}
        </Button>
        <Group justify="space-between">
          <Button variant="subtle" onClick={onBack}>
            {t("signIn.otherAddress")}
          </Button>
          <Button variant="subtle" onClick={() => again.mutate()} loading={again.isPending}>
            {t("signIn.again")}
          </Button>
        </Group>
        {demo ? <DemoMailbox /> : null}
      </Stack>
    </form>
  );
}

function attemptsLeft(error: unknown): number | null {
  const problem = Problem.from(error);
  const left = problem.more["attempts_left"];
  return problem.kind === "wrong-code" && typeof left === "number" ? left : null;
}
