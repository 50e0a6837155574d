import { useIsMuted, useIsSpeaking, useParticipantAttribute, VideoTrack, type TrackReferenceOrPlaceholder } from "@livekit/components-react";
import { ActionIcon } from "@mantine/core";
import { IconHandStop, IconMicrophoneOff, IconPin, IconPinnedOff, IconStarFilled } from "@tabler/icons-react";
import { Track } from "livekit-client";
import { useTranslation } from "react-i18next";
import { hueOf, initials } from "../core/people.ts";
import classes from "./stage.module.css";
import { useStranger } from "./useStranger.ts";

export type TileRef = TrackReferenceOrPlaceholder;

export function tileKey(ref: TileRef): string {
  return `${ref.participant.identity} ${ref.source}`;
}

interface Props {
  trackRef: TileRef;
  onPin: (key: string) => void;
  pinned: boolean;
  /** Show all of the picture rather than fill the tile. */
  contain?: boolean;
  /** A host shows this to everybody. */
  spotlight?: boolean;
}

/** One person's camera or screen, with a name and what there is to know at a glance. */
export function Tile({ trackRef, onPin, pinned, contain = false, spotlight = false }: Props) {
  const { t } = useTranslation();
  const { participant, source } = trackRef;
  const screen = source === Track.Source.ScreenShare;
  const silent = useIsMuted({ participant, source: Track.Source.Microphone });
  // The sound of a shared screen counts as its owner's; a muted person still does not speak.
  const speaking = useIsSpeaking(participant) && !screen && !silent;
  const dark = useIsMuted(trackRef);
  const stranger = useStranger(participant.identity);
  const name = participant.name || participant.identity;
  const shown = participant.isLocal ? t("people.you", { name }) : name;
  const label = screen ? t("call.screenOf", { name: shown }) : shown;
  const unverified = participant.attributes["role"] === "guest" ? t("people.unverified") : "";
  const hand = (useParticipantAttribute("hand", { participant }) ?? "") !== "" && !screen;
  const unseen = stranger === null ? "" : t(stranger === "key" ? "e2ee.tileKey" : "e2ee.tilePlain");
  const marks = [unseen, hand ? t("people.hand") : "", spotlight ? t("people.spotlight") : ""];
  const state = [label, unverified, ...marks, silent && !screen ? t("people.muted") : "", speaking ? t("people.speaking") : ""].filter(Boolean).join(", ");
  const mirrored = participant.isLocal && !screen;
  return (
    <div
      role="group"
      aria-label={state}
      className={[classes["tile"], contain || screen ? classes["contain"] : "", mirrored ? classes["mirrored"] : ""].join(" ")}
      data-participant-identity={participant.identity}
      data-source={source}
      data-speaking={speaking}
    >
      {trackRef.publication !== undefined && !dark && stranger === null ? (
        <VideoTrack
          trackRef={trackRef}
          aria-label={t(screen ? "call.screenOf" : "call.pictureOf", { name: shown })}
          data-participant-identity={participant.identity}
          data-source={source}
        />
      ) : (
        <div className={classes["noPicture"]} aria-hidden>
          <div className={classes["initials"]} style={{ background: `hsl(${hueOf(participant.identity)} 45% 38%)` }}>
            {participant.attributes["picture"] ? <img src={participant.attributes["picture"]} alt="" /> : initials(name)}
          </div>
        </div>
      )}
      <div className={classes["label"]} aria-hidden>
        {spotlight ? <IconStarFilled size={15} /> : null}
        {hand ? <IconHandStop size={15} color="var(--mantine-color-yellow-4)" /> : null}
        {silent && !screen ? <IconMicrophoneOff size={15} /> : null}
        <span>{label}</span>
        {unseen ? <span className={classes["unverified"]}>{unseen}</span> : null}
        {unverified ? <span className={classes["unverified"]}>{unverified}</span> : null}
      </div>
      <ActionIcon
        className={classes["pin"] ?? ""}
        variant="filled"
        color="dark"
        aria-label={t(pinned ? "call.unpin" : "call.pin", { name: label })}
        aria-pressed={pinned}
        onClick={() => onPin(tileKey(trackRef))}
      >
        {pinned ? <IconPinnedOff size={18} aria-hidden /> : <IconPin size={18} aria-hidden />}
      </ActionIcon>
    </div>
  );
}
