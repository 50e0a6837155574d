import {
  IconHandOff,
  IconHandStop,
  IconMessage,
  IconMicrophone,
  IconMicrophoneOff,
  IconNotes,
  IconScreenShare,
  IconScreenShareOff,
  IconUsers,
  IconVideo,
  IconVideoOff,
} from "@tabler/icons-react";
import { Indicator } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./call.module.css";
import { DeviceMenu } from "./DeviceMenu.tsx";
import { LeaveMenu } from "./LeaveMenu.tsx";
import { ReactionMenu } from "./ReactionMenu.tsx";
import { RoundButton } from "./RoundButton.tsx";
import type { Panel } from "./SidePanel.tsx";
import type { ControlState } from "./useControls.ts";

interface Props {
  live: LiveMeeting;
  controls: ControlState;
  panel: Panel | null;
  onPanel: (panel: Panel) => void;
}

export function Controls({ live, controls, panel, onPanel }: Props) {
  const { t } = useTranslation();
  const { unread } = useReadable(live.chat.state);
  const { microphoneOn, cameraOn, screenOn, canShare, mayMicrophone, mayCamera, mayScreen, handRaised, connected, act } = controls;
  const waiting = useReadable(live.door.waiting).length;
  return (
    <section className={classes["controls"]} aria-label={t("call.controls")}>
      <div className={classes["group"]}>
        <RoundButton
          label={t(microphoneOn ? "call.mute" : mayMicrophone ? "call.unmute" : "call.unmuteNotAllowed")}
          icon={microphoneOn ? IconMicrophone : IconMicrophoneOff}
          warn={!microphoneOn}
          shortcut="m"
          disabled={!connected || !(microphoneOn || mayMicrophone)}
          onClick={() => act("microphone")}
        />
        <DeviceMenu kind="audioinput" withSpeakers label={t("call.audioDevices")} />
      </div>
      <div className={classes["group"]}>
        <RoundButton
          label={t(cameraOn ? "call.cameraOff" : "call.cameraOn")}
          icon={cameraOn ? IconVideo : IconVideoOff}
          warn={!cameraOn}
          shortcut="v"
          disabled={!connected || !(cameraOn || mayCamera)}
          onClick={() => act("camera")}
        />
        <DeviceMenu kind="videoinput" label={t("call.cameras")} />
      </div>
      {canShare ? (
        <RoundButton
          label={t(screenOn ? "call.shareStop" : mayScreen ? "call.share" : "call.shareNotAllowed")}
          icon={screenOn ? IconScreenShareOff : IconScreenShare}
          warn={screenOn}
          shortcut="s"
          disabled={!connected || !(screenOn || mayScreen)}
          onClick={() => act("screen")}
        />
      ) : null}
      <RoundButton
        label={t(handRaised ? "call.handDown" : "call.handUp")}
        icon={handRaised ? IconHandOff : IconHandStop}
        expanded={handRaised}
        shortcut="h"
        disabled={!connected}
        onClick={() => act("hand")}
      />
      <ReactionMenu live={live} disabled={!connected} />
      <Indicator label={unread > 99 ? "99+" : unread} disabled={unread === 0} size={18} color="red" offset={6} zIndex={1}>
        <RoundButton
          label={unread === 0 ? t("chat.title") : t("chat.unread", { count: unread })}
          icon={IconMessage}
          expanded={panel === "chat"}
          shortcut="c"
          onClick={() => onPanel("chat")}
        />
      </Indicator>
      <Indicator label={waiting} disabled={waiting === 0} size={18} color="orange.9" offset={6} zIndex={1}>
        <RoundButton
          label={waiting === 0 ? t("people.title") : t("people.titleWaiting", { count: waiting })}
          icon={IconUsers}
          expanded={panel === "participants"}
          shortcut="p"
          onClick={() => onPanel("participants")}
        />
      </Indicator>
      <RoundButton label={t("minutes.title")} icon={IconNotes} expanded={panel === "minutes"} shortcut="n" onClick={() => onPanel("minutes")} />
      <LeaveMenu live={live} />
    </section>
  );
}
