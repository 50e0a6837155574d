import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconShieldLock } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { makeKey } from "../core/meetingKey.ts";
import { KeyField } from "./KeyField.tsx";
import type { HeldKey } from "./useMeetingKey.ts";

interface Props {
  held: HeldKey;
  /** The server says that the meeting is encrypted. */
  told: boolean;
  owner: boolean;
  supported: boolean;
  typed: string;
  wrong: boolean;
  onTyped: (text: string) => void;
}

/** At the device check of an end-to-end encrypted meeting: what that means, and the key where it is missing. */
export function KeyEntry({ held, told, owner, supported, typed, wrong, onTyped }: Props) {
  const { t } = useTranslation();
  if (!told && held.key === null) return null;
  if (!supported) {
    return (
      <Alert color="red" role="alert" title={t("e2ee.badge")}>
        {t("e2ee.unsupported")}
      </Alert>
    );
  }
  if (!told) {
    return (
      <Alert color="yellow" role="alert" title={t("e2ee.deniedTitle")}>
        <Stack gap="xs" align="start">
          <Text size="sm">{t("e2ee.denied")}</Text>
          <Button variant="default" size="compact-md" onClick={() => held.hold(null)}>
            {t("e2ee.forget")}
          </Button>
        </Stack>
      </Alert>
    );
  }
  return (
    <Stack gap="xs">
      <Group gap={6} wrap="nowrap">
        <IconShieldLock size={18} aria-hidden />
        <Text fw={600}>{t("e2ee.badge")}</Text>
      </Group>
      <Text size="sm" c="dimmed">
        {t("e2ee.what")}
      </Text>
      {held.key === null ? <KeyField value={typed} wrong={wrong} onChange={onTyped} /> : null}
      {held.key === null && owner ? (
        <Stack gap={4} align="start">
          <Text size="sm">{t("e2ee.makeHint")}</Text>
          <Button variant="default" size="compact-md" onClick={() => held.hold(makeKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes))))}>
            {t("e2ee.make")}
          </Button>
        </Stack>
      ) : null}
    </Stack>
  );
}
