import { Badge, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";

/** Who waits to be let in, for those who may open the door; nothing while nobody does. */
export function DoorList({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const waiting = useReadable(live.door.waiting);
  if (waiting.length === 0) return null;
  const failed = () => live.notices.add("notDone");
  return (
    <Stack gap="xs" component="section" aria-label={t("door.title")}>
      <Group justify="space-between">
        <Title order={3} size="h5">
          {t("door.waiting", { count: waiting.length })}
        </Title>
        {waiting.length > 1 ? (
          <Button size="compact-sm" onClick={() => void live.door.admit(null).catch(failed)}>
            {t("door.admitAll")}
          </Button>
        ) : null}
      </Group>
      {waiting.map(({ id, name, is_guest }) => (
        <Group key={id} wrap="nowrap" justify="space-between">
          <Group gap="xs" wrap="nowrap" style={{ minWidth: 0 }}>
            <Text truncate>{name}</Text>
            {is_guest ? (
              <Badge variant="light" color="gray" style={{ flex: "none" }}>
                {t("people.guest")}
              </Badge>
            ) : null}
          </Group>
          <Group gap={6} wrap="nowrap">
            <Button size="compact-sm" aria-label={t("door.admitOne", { name })} onClick={() => void live.door.admit([id]).catch(failed)}>
              {t("door.admit")}
            </Button>
            <Button size="compact-sm" variant="default" aria-label={t("door.denyOne", { name })} onClick={() => void live.door.deny([id]).catch(failed)}>
              {t("door.deny")}
            </Button>
          </Group>
        </Group>
      ))}
    </Stack>
  );
}
