import { Text } from "@mantine/core";
import { IconMicrophone, IconMicrophoneOff, IconVideo, IconVideoOff } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Choices } from "../core/choices.ts";
import { RoundButton } from "./RoundButton.tsx";
import classes from "./lobby.module.css";

interface Props {
  camera: MediaStreamTrack | null;
  choices: Choices;
  choose: (change: Partial<Choices>) => void;
}

/** What others would see, and the two switches. */
export function PreviewPicture({ camera, choices, choose }: Props) {
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = camera === null ? null : new MediaStream([camera]);
  }, [camera]);
  const { microphoneOn, cameraOn } = choices;
  return (
    <div className={classes["picture"]}>
      {camera === null ? <Text>{t(cameraOn ? "lobby.cameraStarting" : "lobby.cameraIsOff")}</Text> : null}
      <video ref={video} hidden={camera === null} autoPlay playsInline muted aria-label={t("lobby.yourPicture")} />
      <div className={classes["buttons"]}>
        <RoundButton
          label={t(microphoneOn ? "call.mute" : "call.unmute")}
          warn={!microphoneOn}
          onClick={() => choose({ microphoneOn: !microphoneOn })}
          icon={microphoneOn ? IconMicrophone : IconMicrophoneOff}
        />
        <RoundButton
          label={t(cameraOn ? "call.cameraOff" : "call.cameraOn")}
          warn={!cameraOn}
          onClick={() => choose({ cameraOn: !cameraOn })}
          icon={cameraOn ? IconVideo : IconVideoOff}
        />
      </div>
    </div>
  );
}
