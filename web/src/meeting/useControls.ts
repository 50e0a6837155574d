import { useLocalParticipant, useLocalParticipantPermissions, useParticipantAttribute } from "@livekit/components-react";
import { Track } from "livekit-client";
import { useEffect } from "react";
import { readChoices } from "../core/choices.ts";
import { handOf } from "../core/hands.ts";
import { actionFor, takesKeys, type Action } from "../core/shortcuts.ts";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import type { Panel } from "./SidePanel.tsx";

export interface ControlState {
  microphoneOn: boolean;
  cameraOn: boolean;
  screenOn: boolean;
  canShare: boolean;
  /** What the meeting allows us to send now. */
  mayMicrophone: boolean;
  mayCamera: boolean;
  mayScreen: boolean;
  handRaised: boolean;
  /** Without a connection there is nothing to switch; what was on comes back by itself. */
  connected: boolean;
  act: (action: Action) => void;
}

/** The switches of a meeting, for buttons and keys alike. */
export function useControls(live: LiveMeeting, toggle: (panel: Panel) => void, switchView: () => void): ControlState {
  const { isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled, localParticipant } = useLocalParticipant();
  const hub = useHub();
  const permissions = useLocalParticipantPermissions();
  const may = (source: Track.Source) =>
    permissions === undefined ||
    (permissions.canPublish && (permissions.canPublishSources.length === 0 || permissions.canPublishSources.includes(Track.sourceToProto(source))));
  const [mayMicrophone, mayCamera, mayScreen] = [may(Track.Source.Microphone), may(Track.Source.Camera), may(Track.Source.ScreenShare)];
  const hand = useParticipantAttribute("hand", { participant: localParticipant });
  const handRaised = handOf({ identity: "", attributes: { hand: hand ?? "" } }) !== null;
  const canShare = "mediaDevices" in navigator && "getDisplayMedia" in navigator.mediaDevices;

  const connected = useReadable(live.session.phase).name === "inside";

  function act(action: Action): void {
    if (!connected && (action === "microphone" || action === "camera" || action === "screen" || action === "hand")) return;
    switch (action) {
      case "microphone":
        if (isMicrophoneEnabled || mayMicrophone) void live.outgoing.setMicrophone(!isMicrophoneEnabled);
        return;
      case "camera":
        if (isCameraEnabled || mayCamera) void live.outgoing.setCamera(!isCameraEnabled);
        return;
      case "screen":
        if (canShare && (isScreenShareEnabled || mayScreen)) void live.outgoing.setScreen(!isScreenShareEnabled);
        return;
      case "hand":
        hub.raiseHand(live.code, live.device, !handRaised).catch(() => live.notices.add("handFailed"));
        return;
      case "view":
        switchView();
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

  return {
    microphoneOn: isMicrophoneEnabled,
    cameraOn: isCameraEnabled,
    screenOn: isScreenShareEnabled,
    canShare,
    mayMicrophone,
    mayCamera,
    mayScreen,
    handRaised,
    connected,
    act,
  };
}
