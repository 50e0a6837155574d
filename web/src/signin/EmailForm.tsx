import { Button, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { isEmail } from "../core/addresses.ts";
import { useHub } from "../hub.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { DemoMailbox } from "./DemoMailbox.tsx";

export function EmailForm({ onSent, demo }: { onSent: (email: string) => void; demo: boolean }) {
  const { t } = useTranslation();
  const hub = useHub();
  const [email, setEmail] = useState("");
  const [wrong, setWrong] = useState(false);
  const request = useMutation({ mutationFn: (address: string) => hub.requestCode(address), onSuccess: (_, address) => onSent(address) });
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const address = email.trim();
        setWrong(!isEmail(address));
        if (isEmail(address)) request.mutate(address);
      }}
    >
      <Stack>
        <Title order={1} size="h2">
          {t("signIn.title")}
        </Title>
        <Text c="dimmed">{t("signIn.how")}</Text>
        <TextInput
          label={t("signIn.email")}
          type="email"
          name="email"
          autoComplete="username webauthn"
          inputMode="email"
          autoFocus
          size="md"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={wrong ? t("signIn.notAnAddress") : null}
        />
        <ProblemAlert error={request.error} />
        <Button type="submit" size="md" loading={request.isPending}>
          {t("signIn.send")}
        </Button>
        {demo ? <DemoMailbox /> : null}
      </Stack>
    </form>
  );
}
