import { useMediaDeviceSelect } from "@livekit/components-react";
import { ActionIcon, Menu } from "@mantine/core";
import { IconCheck, IconChevronUp } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { keepChoices, readChoices, type Choices } from "../core/choices.ts";

type Kind = "audioinput" | "videoinput" | "audiooutput";
const CHOICE: Record<Kind, "microphone" | "camera" | "speaker"> = { audioinput: "microphone", videoinput: "camera", audiooutput: "speaker" };

interface Props {
  kind: Kind;
  label: string;
  withSpeakers?: boolean;
}

/** Which microphone, camera or speaker: changed while the meeting runs, kept for the next one. */
export function DeviceMenu({ kind, label, withSpeakers = false }: Props) {
  const canChooseSpeaker = withSpeakers && "setSinkId" in HTMLMediaElement.prototype;
  return (
    <Menu position="top" keepMounted={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={26} aria-label={label}>
          <IconChevronUp size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <DeviceItems kind={kind} />
        {canChooseSpeaker ? <DeviceItems kind="audiooutput" /> : null}
      </Menu.Dropdown>
    </Menu>
  );
}

function DeviceItems({ kind }: { kind: Kind }) {
  const { t } = useTranslation();
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind });
  const choice = CHOICE[kind];
  function choose(id: string): void {
    const change: Partial<Choices> = { [choice]: id };
    keepChoices(window.localStorage, { ...readChoices(window.localStorage), ...change });
    void setActiveMediaDevice(id);
  }
  return (
    <>
      <Menu.Label>{t(`lobby.${choice}Label`)}</Menu.Label>
      {devices.length === 0 ? <Menu.Item disabled>{t("lobby.noDevice")}</Menu.Item> : null}
      {devices.map((device) => (
        <Menu.Item
          key={device.deviceId}
          role="menuitemradio"
          aria-checked={device.deviceId === activeDeviceId}
          leftSection={<IconCheck size={16} aria-hidden style={{ visibility: device.deviceId === activeDeviceId ? "visible" : "hidden" }} />}
          onClick={() => choose(device.deviceId)}
        >
          {device.label || t("lobby.usualDevice")}
        </Menu.Item>
      ))}
    </>
  );
}
