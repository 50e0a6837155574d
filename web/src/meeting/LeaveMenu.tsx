import { Button, Menu } from "@mantine/core";
import { IconPhoneOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./call.module.css";

/** One click to leave; whoever owns the meeting may also end it for all. */
export function LeaveMenu({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const hub = useHub();
  const phase = useReadable(live.session.phase);
  const owner = phase.name === "inside" && phase.answer.meeting.is_owner;
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
  if (!owner) return button(leave);
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
