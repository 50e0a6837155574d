import { useLocalParticipant, useParticipantAttribute } from "@livekit/components-react";
import { Button, Menu } from "@mantine/core";
import { IconPhoneOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";
import { leads, roleOf } from "../core/roles.ts";
import type { LiveMeeting } from "../room/enter.ts";
import classes from "./call.module.css";

/** One click to leave; whoever leads the meeting may also end it for all. */
export function LeaveMenu({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const hub = useHub();
  const { localParticipant } = useLocalParticipant();
  const role = useParticipantAttribute("role", { participant: localParticipant }) ?? "";
  const leave = () => void live.session.leave();
  const button = (onClick?: () => void) => (
    <Button
      className={classes["leave"] ?? ""}
      color="red"
      radius="xl"
      h="var(--round)"
      leftSection={<IconPhoneOff size={20} aria-hidden />}
      {...(onClick ? { onClick } : {})}
    >
      <span className={classes["leaveText"]}>{t("call.leave")}</span>
    </Button>
  );
  if (!leads(roleOf({ role }))) return button(leave);
  return (
    <Menu position="top-end" transitionProps={{ duration: 0 }}>
      <Menu.Target>{button()}</Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={leave}>{t("call.leaveOnly")}</Menu.Item>
        <Menu.Item
          color="red"
          onClick={() => {
            hub.end(live.code).then(
              () => live.session.leave("ended"),
              () => live.notices.add("endFailed"),
            );
          }}
        >
          {t("call.endForAll")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
