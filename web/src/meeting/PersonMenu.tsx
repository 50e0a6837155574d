import { useLocalParticipant, useParticipantAttribute, useRoomInfo } from "@livekit/components-react";
import { ActionIcon, Menu } from "@mantine/core";
import { IconDotsVertical } from "@tabler/icons-react";
import { Track, type Participant } from "livekit-client";
import { useTranslation } from "react-i18next";
import { handOf } from "../core/hands.ts";
import { subjectOf } from "../core/people.ts";
import { isAbove, leads, roleOf } from "../core/roles.ts";
import { readRoomState } from "../core/roomState.ts";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";

interface Props {
  live: LiveMeeting;
  participant: Participant;
  name: string;
}

/** What whoever leads may do to one person; nothing for everybody else. */
export function PersonMenu({ live, participant, name }: Props) {
  const { t } = useTranslation();
  const hub = useHub();
  const { metadata } = useRoomInfo({ room: live.room });
  const { localParticipant } = useLocalParticipant();
  const mine = roleOf({ role: useParticipantAttribute("role", { participant: localParticipant }) ?? "" });
  const theirs = roleOf({ role: useParticipantAttribute("role", { participant }) ?? "" });
  if (!leads(mine)) return null;
  const { code } = live;
  const { identity, isLocal } = participant;
  const id = subjectOf(identity);
  const sends = (source: Track.Source) => {
    const publication = participant.getTrackPublication(source);
    return publication !== undefined && !publication.isMuted;
  };
  const shown = readRoomState(metadata).spotlight === identity;
  const above = !isLocal && isAbove(mine, theirs);
  const item = (label: string, act: () => Promise<void>) => (
    <Menu.Item onClick={() => void act().catch(() => live.notices.add("notDone"))}>
      {label}
    </Menu.Item>
  );
  return (
    <Menu position="bottom-end" transitionProps={{ duration: 0 }} withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("lead.menu", { name })}>
          <IconDotsVertical size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {item(t(shown ? "lead.spotlightOff" : "lead.spotlight"), () => hub.changeRoom(code, { spotlight: shown ? "" : identity }))}
        {isLocal ? null : (
          <>
            {sends(Track.Source.Microphone)
              ? item(t("lead.mute"), () => hub.mute(code, identity, "microphone"))
              : item(t("lead.askMicrophone"), () => hub.ask(code, identity, "microphone"))}
            {sends(Track.Source.Camera)
              ? item(t("lead.stopCamera"), () => hub.mute(code, identity, "camera"))
              : item(t("lead.askCamera"), () => hub.ask(code, identity, "camera"))}
            {sends(Track.Source.ScreenShare) ? item(t("lead.stopScreen"), () => hub.mute(code, identity, "screen")) : null}
          </>
        )}
        {handOf(participant) === null ? null : item(t("lead.lowerHand"), () => hub.lowerHand(code, identity))}
        {above ? (
          <>
            <Menu.Divider role="separator" />
            {mine === "host" && theirs !== "co-host" && theirs !== "guest" ? item(t("lead.makeCoHost"), () => hub.appoint(code, id, "co-host")) : null}
            {theirs === "participant" || theirs === "guest" ? item(t("lead.makePresenter"), () => hub.appoint(code, id, "presenter")) : null}
            {theirs === "co-host" || theirs === "presenter" ? item(t("lead.makeParticipant"), () => hub.appoint(code, id, "participant")) : null}
            <Menu.Divider role="separator" />
            {item(t("lead.remove"), () => hub.remove(code, id, false))}
            {item(t("lead.ban"), () => hub.remove(code, id, true))}
          </>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  );
}
