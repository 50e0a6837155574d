import { Button, Center, Loader, Stack, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Phase } from "../core/session.ts";

interface Props {
  title: string;
  phase: Extract<Phase, { name: "lobby" }>;
  onPasscode: (passcode: string) => void;
  onCancel: () => void;
}

/** Before the door: why one waits, for whom, and the passcode where there is one. */
export function LobbyWait({ title, phase, onPasscode, onCancel }: Props) {
  const { t } = useTranslation();
  const [passcode, setPasscode] = useState("");
  const { reason, hostPresent, wrongPasscode } = phase;
  return (
    <Center component="main" h="100%" p="md">
      <Stack align="center" maw={460} w="100%">
        <Loader aria-hidden type="dots" />
        <Title order={1} size="h2" ta="center">
          {title}
        </Title>
        <div role="status">
          <Text ta="center">{t(`door.${reason}`)}</Text>
          <Text ta="center" c="dimmed">
            {t(hostPresent ? "door.hostPresent" : "door.hostAbsent")}
          </Text>
        </div>
        {reason === "passcode" ? (
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              if (passcode.trim() !== "") onPasscode(passcode.trim());
            }}
          >
            <Stack align="stretch">
              <TextInput
                label={t("door.passcodeLabel")}
                autoComplete="off"
                maxLength={64}
                value={passcode}
                error={wrongPasscode ? t("door.passcodeWrong") : null}
                onChange={(event) => setPasscode(event.currentTarget.value)}
              />
              <Button type="submit">{t("door.passcodeEnter")}</Button>
            </Stack>
          </form>
        ) : null}
        <Button variant="default" onClick={onCancel}>
          {t("door.leave")}
        </Button>
      </Stack>
    </Center>
  );
}
