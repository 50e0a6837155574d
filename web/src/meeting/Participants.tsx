import { useIsMuted, useIsSpeaking, useParticipants } from "@livekit/components-react";
import { Avatar, Badge, Group, Stack, Text, VisuallyHidden } from "@mantine/core";
import { IconMicrophone, IconMicrophoneOff, IconVideo, IconVideoOff, IconVolume } from "@tabler/icons-react";
import { Track, type Participant } from "livekit-client";
import { useTranslation } from "react-i18next";
import { initials } from "../core/people.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { CopyLink } from "../ui/CopyLink.tsx";
import classes from "./call.module.css";

export function Participants({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const people = useParticipants();
  const link = `${window.location.origin}/m/${live.code}`;
  return (
    <div className={classes["panelBody"]}>
      <Stack>
        <CopyLink link={link} />
        <Text size="sm" c="dimmed">
          {t("people.count", { count: people.length })}
        </Text>
        <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }} aria-label={t("people.title")}>
          {people.map((participant) => (
            <Person key={participant.identity} participant={participant} />
          ))}
        </Stack>
      </Stack>
    </div>
  );
}

function Person({ participant }: { participant: Participant }) {
  const { t } = useTranslation();
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  const speaking = useIsSpeaking(participant) && !muted;
  const hidden = useIsMuted({ participant, source: Track.Source.Camera });
  const name = participant.name || participant.identity;
  const role = participant.attributes["role"];
  return (
    <Group component="li" wrap="nowrap" justify="space-between" data-participant-identity={participant.identity} data-speaking={speaking}>
      <Group wrap="nowrap" gap="sm" style={{ minWidth: 0 }}>
        <Avatar size="sm" color="blue" aria-hidden>
          {initials(name)}
        </Avatar>
        <Text truncate>{participant.isLocal ? t("people.you", { name }) : name}</Text>
        {role === "host" ? <Badge variant="light">{t("people.host")}</Badge> : null}
        {role === "guest" ? (
          <Badge variant="light" color="gray">
            {t("people.guest")}
          </Badge>
        ) : null}
      </Group>
      <Group wrap="nowrap" gap={6}>
        {speaking ? <IconVolume size={18} aria-hidden color="var(--mantine-color-green-6)" /> : null}
        {muted ? <IconMicrophoneOff size={18} aria-hidden /> : <IconMicrophone size={18} aria-hidden />}
        {hidden ? <IconVideoOff size={18} aria-hidden /> : <IconVideo size={18} aria-hidden />}
        <VisuallyHidden>
          {[speaking ? t("people.speaking") : "", t(muted ? "people.muted" : "people.audible"), t(hidden ? "people.unseen" : "people.seen")]
            .filter(Boolean)
            .join(", ")}
        </VisuallyHidden>
      </Group>
    </Group>
  );
}
