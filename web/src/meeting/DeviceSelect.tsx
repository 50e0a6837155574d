import { NativeSelect } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  label: string;
  icon: ReactNode;
  devices: MediaDeviceInfo[];
  chosen: string;
  onChoose: (id: string) => void;
}

export function DeviceSelect({ label, icon, devices, chosen, onChoose }: Props) {
  const { t } = useTranslation();
  const known = devices.some((device) => device.deviceId === chosen);
  return (
    <NativeSelect
      label={label}
      leftSection={icon}
      disabled={devices.length === 0}
      value={known ? chosen : ""}
      onChange={(event) => onChoose(event.currentTarget.value)}
      data={[
        { value: "", label: devices.length === 0 ? t("lobby.noDevice") : t("lobby.usualDevice") },
        ...devices
          .filter((device) => device.deviceId !== "default")
          .map((device, index) => ({ value: device.deviceId, label: device.label || `${label} ${index + 1}` })),
      ]}
    />
  );
}
