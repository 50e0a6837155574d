import { useCallback, useEffect, useState } from "react";

export interface Devices {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
  /** Names come only once a device was allowed: look again then. */
  refresh: () => void;
}

export function useDevices(): Devices {
  const [found, setFound] = useState<MediaDeviceInfo[]>([]);
  const refresh = useCallback(() => {
    if (!("mediaDevices" in navigator)) return;
    navigator.mediaDevices.enumerateDevices().then(setFound, () => undefined);
  }, []);
  useEffect(() => {
    refresh();
    if (!("mediaDevices" in navigator)) return;
    const media = navigator.mediaDevices;
    media.addEventListener("devicechange", refresh);
    return () => media.removeEventListener("devicechange", refresh);
  }, [refresh]);
  const named = (kind: MediaDeviceKind) => found.filter((device) => device.kind === kind && device.deviceId !== "");
  return { microphones: named("audioinput"), cameras: named("videoinput"), speakers: named("audiooutput"), refresh };
}
