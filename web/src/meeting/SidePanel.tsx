import { CloseButton, Text, Title } from "@mantine/core";
import { useFocusReturn } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { MinutesPanel } from "../ui/MinutesPanel.tsx";
import { ChatPanel } from "./ChatPanel.tsx";
import { Participants } from "./Participants.tsx";
import classes from "./call.module.css";

export type Panel = "chat" | "participants" | "minutes";

interface Props {
  panel: Panel;
  live: LiveMeeting;
  onClose: () => void;
}

const TITLES = { chat: "chat.title", participants: "people.title", minutes: "minutes.title" } as const;

export function SidePanel({ panel, live, onClose }: Props) {
  const { t } = useTranslation();
  const box = useRef<HTMLElement>(null);
  useFocusReturn({ opened: true });
  useEffect(() => {
    // Somebody who opened it by keyboard goes on inside it.
    box.current?.focus();
  }, [panel]);
  return (
    <aside
      ref={box}
      tabIndex={-1}
      className={`${classes["panel"]} ${panel === "minutes" ? classes["wide"] : ""}`}
      aria-label={t(TITLES[panel])}
      data-panel={panel}
    >
      <div className={classes["panelHead"]}>
        <Title order={2} size="h4">
          {t(TITLES[panel])}
        </Title>
        <CloseButton aria-label={t("call.closePanel", { panel: t(TITLES[panel]) })} onClick={onClose} />
      </div>
      {panel === "chat" ? <ChatPanel chat={live.chat} /> : null}
      {panel === "participants" ? <Participants live={live} /> : null}
      {panel === "minutes" ? (
        <div className={classes["panelBody"]}>
          {live.encryption === null ? null : (
            <Text size="sm" c="dimmed" mb="xs">
              {t("e2ee.minutes")}
            </Text>
          )}
          <MinutesPanel code={live.code} />
        </div>
      ) : null}
    </aside>
  );
}
