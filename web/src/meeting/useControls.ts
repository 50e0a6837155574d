import { useLocalParticipant } from "@livekit/components-react";
import { useEffect } from "react";
import { readChoices } from "../core/choices.ts";
import { actionFor, takesKeys, type Action } from "../core/shortcuts.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import type { Panel } from "./SidePanel.tsx";

export interface ControlState {
  microphoneOn: boolean;
  cameraOn: boolean;
  screenOn: boolean;
  canShare: boolean;
  /** Without a connection there is nothing to switch; what was on comes back by itself. */
  connected: boolean;
  act: (action: Action) => void;
}

/** The switches of a meeting, for buttons and keys alike. */
export function useControls(live: LiveMeeting, toggle: (panel: Panel) => void): ControlState {
  const { isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } = useLocalParticipant();
  const canShare = "mediaDevices" in navigator && "getDisplayMedia" in navigator.mediaDevices;

  const connected = useReadable(live.session.phase).name === "inside";

  function act(action: Action): void {
    if (!connected && (action === "microphone" || action === "camera" || action === "screen")) return;
    switch (action) {
      case "microphone":
        void live.outgoing.setMicrophone(!isMicrophoneEnabled);
        return;
      case "camera":
        void live.outgoing.setCamera(!isCameraEnabled);
        return;
      case "screen":
        if (canShare) void live.outgoing.setScreen(!isScreenShareEnabled);
        return;
      default:
        toggle(action);
    }
  }

  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      const typing = takesKeys(event.target instanceof Element ? event.target : null);
      const { key, ctrlKey, metaKey, altKey, repeat, defaultPrevented } = event;
      const action = actionFor({ key, ctrlKey, metaKey, altKey, repeat, defaultPrevented, typing });
      if (action === null || !readChoices(window.localStorage).shortcuts) return;
      event.preventDefault();
      act(action);
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  });

  return { microphoneOn: isMicrophoneEnabled, cameraOn: isCameraEnabled, screenOn: isScreenShareEnabled, canShare, connected, act };
}
