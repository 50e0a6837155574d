import { useIsMuted, useIsSpeaking, useParticipantAttributes, useParticipants } from "@livekit/components-react";
import { Badge, Group, Stack, Text, VisuallyHidden } from "@mantine/core";
import { IconHandStop, IconMicrophone, IconMicrophoneOff, IconVideo, IconVideoOff, IconVolume } from "@tabler/icons-react";
import { RoomEvent, Track, type Participant } from "livekit-client";
import { useTranslation } from "react-i18next";
import { byHand, handOf } from "../core/hands.ts";
import { roleOf } from "../core/roles.ts";
import type { Encryption } from "../room/encryption.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import { KeyHandout } from "../ui/KeyHandout.tsx";
import { DoorList } from "./DoorList.tsx";
import { HostTools } from "./HostTools.tsx";
import { PersonMenu } from "./PersonMenu.tsx";
import { PersonAvatar } from "../ui/PersonAvatar.tsx";
import { useReadable } from "../ui/useReadable.ts";
import classes from "./call.module.css";

/** The list is sorted by hands: a change of attributes counts, who speaks does not. */
const EVENTS = [
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantAttributesChanged,
];

export function Participants({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const people = byHand(useParticipants({ updateOnlyOn: EVENTS }));
  const hands = people.filter((participant) => handOf(participant) !== null).length;
  const link = `${window.location.origin}/m/${live.code}`;
  return (
    <div className={classes["panelBody"]}>
      <Stack>
        <DoorList live={live} />
        {live.encryption === null ? <CopyLink link={link} /> : <CurrentKey link={link} encryption={live.encryption} />}
        <HostTools live={live} hands={hands} />
        <Text size="sm" c="dimmed">
          {t("people.count", { count: people.length })}
        </Text>
        <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }} aria-label={t("people.title")}>
          {people.map((participant) => (
            <Person key={participant.identity} live={live} participant={participant} />
          ))}
        </Stack>
      </Stack>
    </div>
  );
}

function CurrentKey({ link, encryption }: { link: string; encryption: Encryption }) {
  return <KeyHandout link={link} meetingKey={useReadable(encryption.key)} />;
}

function Person({ live, participant }: { live: LiveMeeting; participant: Participant }) {
  const { t } = useTranslation();
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  const speaking = useIsSpeaking(participant) && !muted;
  const hidden = useIsMuted({ participant, source: Track.Source.Camera });
  const name = participant.name || participant.identity;
  const { attributes } = useParticipantAttributes({ participant });
  const role = roleOf(attributes ?? {});
  const hand = handOf({ identity: participant.identity, attributes: attributes ?? {} }) !== null;
  return (
    <Group component="li" wrap="nowrap" justify="space-between" data-participant-identity={participant.identity} data-speaking={speaking}>
      <Group wrap="nowrap" gap="sm" style={{ minWidth: 0 }}>
        <PersonAvatar name={name} picture={participant.attributes["picture"]} />
        {/* The badges are never at the expense of the name: what does not fit beside it goes below. */}
        <Group gap="0.15rem 0.5rem" style={{ minWidth: 0 }}>
          <Text truncate maw="100%">
            {participant.isLocal ? t("people.you", { name }) : name}
          </Text>
          {role === "participant" ? null : (
            <Badge variant="light" color={role === "guest" ? "gray" : "blue"} style={{ flex: "none" }}>
              {t(`role.${role}`)}
            </Badge>
          )}
          {role === "guest" ? (
            <Badge color="#b33c0a" style={{ flex: "none" }} title={t("people.unverifiedWhy")}>
              {t("people.unverified")}
            </Badge>
          ) : null}
        </Group>
      </Group>
      <Group wrap="nowrap" gap={6}>
        {hand ? <IconHandStop size={18} aria-hidden color="var(--mantine-color-yellow-6)" /> : null}
        {speaking ? <IconVolume size={18} aria-hidden color="var(--mantine-color-green-6)" /> : null}
        {muted ? <IconMicrophoneOff size={18} aria-hidden /> : <IconMicrophone size={18} aria-hidden />}
        {hidden ? <IconVideoOff size={18} aria-hidden /> : <IconVideo size={18} aria-hidden />}
        <VisuallyHidden>
          {[hand ? t("people.hand") : "", speaking ? t("people.speaking") : "", t(muted ? "people.muted" : "people.audible"), t(hidden ? "people.unseen" : "people.seen")]
            .filter(Boolean)
            .join(", ")}
        </VisuallyHidden>
        <PersonMenu live={live} participant={participant} name={name} />
      </Group>
    </Group>
  );
}
