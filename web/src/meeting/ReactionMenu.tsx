import { ActionIcon, Group, Popover } from "@mantine/core";
import { IconMoodSmile } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { SIGNS } from "../core/reactions.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { RoundButton } from "./RoundButton.tsx";

/** The signs one may send; it stays open, as people clap more than once. */
export function ReactionMenu({ live, disabled }: { live: LiveMeeting; disabled: boolean }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <Popover opened={open} onChange={setOpen} position="top" trapFocus withRoles={false} transitionProps={{ duration: 0 }}>
      <Popover.Target>
        <div>
          <RoundButton label={t("call.react")} icon={IconMoodSmile} expanded={open} disabled={disabled} onClick={() => setOpen(!open)} />
        </div>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={t("call.reactions")} p="xs">
        <Group gap={4} wrap="nowrap">
          {SIGNS.map((sign) => (
            <ActionIcon
              key={sign}
              size={40}
              variant="subtle"
              aria-label={t(`reaction.${sign}`)}
              onClick={() => live.reactions.send(sign, live.room.localParticipant.identity)}
            >
              <span aria-hidden style={{ fontSize: "1.4rem" }}>
                {sign}
              </span>
            </ActionIcon>
          ))}
        </Group>
      </Popover.Dropdown>
    </Popover>
  );
}
