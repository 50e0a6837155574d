import { Button, Group, Text } from "@mantine/core";
import { IconDoorEnter } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./call.module.css";

/** Somebody is at the door while the list is closed. */
export function KnockNotice({ live, onOpen }: { live: LiveMeeting; onOpen: () => void }) {
  const { t } = useTranslation();
  const waiting = useReadable(live.door.waiting);
  const [first] = waiting;
  if (first === undefined) return null;
  const { id, name } = first;
  const failed = () => live.notices.add("notDone");
  return (
    <div className={classes["knock"]} role="status">
      <Group className={classes["knockBar"] ?? ""} gap="sm">
        <IconDoorEnter size={20} aria-hidden />
        <Text>{waiting.length === 1 ? t("door.knock", { name }) : t("door.knockMore", { name, count: waiting.length - 1 })}</Text>
        <Group gap="xs">
          {waiting.length === 1 ? (
            <Button size="compact-md" aria-label={t("door.admitOne", { name })} onClick={() => void live.door.admit([id]).catch(failed)}>
              {t("door.admit")}
            </Button>
          ) : (
            <Button size="compact-md" onClick={() => void live.door.admit(null).catch(failed)}>
              {t("door.admitAll")}
            </Button>
          )}
          <Button size="compact-md" variant="default" onClick={onOpen}>
            {t("door.open")}
          </Button>
        </Group>
      </Group>
    </div>
  );
}
