import { Badge, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { keepChoices, readChoices } from "../core/choices.ts";
import { linkWithKey } from "../core/meetingKey.ts";
import type { Phase } from "../core/session.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { AskDialog } from "./AskDialog.tsx";
import { AudioOutlet } from "./AudioOutlet.tsx";
import { Controls } from "./Controls.tsx";
import { FloatingReactions } from "./FloatingReactions.tsx";
import { KnockNotice } from "./KnockNotice.tsx";
import { NoticeStack } from "./NoticeStack.tsx";
import { RoomBadges } from "./RoomBadges.tsx";
import { SidePanel, type Panel } from "./SidePanel.tsx";
import { Stage } from "./Stage.tsx";
import classes from "./call.module.css";
import { useControls } from "./useControls.ts";
import { NOBODY, StrangersContext } from "./useStranger.ts";
import { ViewSwitch } from "./ViewSwitch.tsx";

interface Props {
  live: LiveMeeting;
  title: string;
  phase: Phase;
}

/** The meeting itself: pictures, what is beside them, and the controls. */
export function Call({ live, title, phase }: Props) {
  const { t } = useTranslation();
  const [panel, setPanel] = useState<Panel | null>(null);
  const toggle = (which: Panel) => {
    const next = panel === which ? null : which;
    live.chat.setOpen(next === "chat");
    setPanel(next);
  };
  const [speakerView, setSpeakerView] = useState(() => readChoices(window.localStorage).speakerView);
  const switchView = () => {
    setSpeakerView(!speakerView);
    keepChoices(window.localStorage, { ...readChoices(window.localStorage), speakerView: !speakerView });
  };
  const controls = useControls(live, toggle, switchView);
  const away = phase.name !== "inside" || phase.troubled;
  return (
    <div className={classes["call"]}>
      <header className={classes["header"]}>
        <Text component="h1" fw={600} truncate>
          {title}
        </Text>
        <Group gap="xs" wrap="nowrap">
          <Group gap="xs" role="status" justify="flex-end">
            <RoomBadges live={live} />
            {controls.screenOn ? <Badge color="blue.9">{t("call.sharing")}</Badge> : null}
            {away ? <Badge color="orange">{t("call.reconnecting")}</Badge> : null}
          </Group>
          <ViewSwitch speakerView={speakerView} onSwitch={switchView} />
        </Group>
      </header>
      <main className={classes["stage"]} aria-label={t("call.pictures")}>
        <StrangersContext value={live.encryption?.strangers.list ?? NOBODY}>
          <Stage speakerView={speakerView} link={() => linkWithKey(`${window.location.origin}/m/${live.code}`, live.encryption?.key.get() ?? null)} />
        </StrangersContext>
        <FloatingReactions live={live} />
      </main>
      {panel === null ? null : <SidePanel panel={panel} live={live} onClose={() => toggle(panel)} />}
      <Controls live={live} controls={controls} panel={panel} onPanel={toggle} />
      <NoticeStack live={live} />
      {panel === "participants" ? null : <KnockNotice live={live} onOpen={() => toggle("participants")} />}
      <AskDialog live={live} />
      <AudioOutlet />
    </div>
  );
}
