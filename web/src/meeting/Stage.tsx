import { useRoomInfo, useTracks } from "@livekit/components-react";
import { ActionIcon, Button, Group, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { RoomEvent, Track } from "livekit-client";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { fitGrid, pages, tilesPerPage } from "../core/grid.ts";
import { focusOf } from "../core/focus.ts";
import { readRoomState } from "../core/roomState.ts";
import classes from "./stage.module.css";
import { Tile, tileKey, type TileRef } from "./Tile.tsx";
import { useSpeaker } from "./useSpeaker.ts";

const SOURCES = [
  { source: Track.Source.Camera, withPlaceholder: true },
  { source: Track.Source.ScreenShare, withPlaceholder: false },
];
/** Not on each change of who speaks: tiles watch that themselves. */
const EVENTS = [
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ConnectionStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscriptionStatusChanged,
];

/** Everybody's picture: a grid, or one thing large with the others beside it: always, with `speakerView`. `link`: what whoever is alone sends to others. */
export function Stage({ link, speakerView }: { link: () => string; speakerView: boolean }) {
  const all = useTracks(SOURCES, { updateOnlyOn: EVENTS, onlySubscribed: false });
  // One's own screen shows itself without end where it is also what is shared.
  const tracks = all.filter((ref) => !(ref.participant.isLocal && ref.source === Track.Source.ScreenShare));
  const [pinned, setPinned] = useState<string | null>(null);
  const candidates = tracks.map((ref) => ({
    key: tileKey(ref),
    screen: ref.source === Track.Source.ScreenShare,
  }));
  const { spotlight } = readRoomState(useRoomInfo().metadata);
  const shown = tracks.find((ref) => ref.participant.identity === spotlight && ref.source === Track.Source.Camera);
  const spoke = useSpeaker();
  const others = tracks.filter((ref) => !ref.participant.isLocal && ref.source === Track.Source.Camera);
  // Until somebody speaks, and when who spoke last has left, somebody else is large.
  const speaker = speakerView ? (others.find((ref) => ref.participant.identity === spoke) ?? others[0]) : undefined;
  const focus = focusOf(candidates, pinned, shown === undefined ? null : tileKey(shown), speaker === undefined ? null : tileKey(speaker));
  const onPin = (key: string) => setPinned(key === focus ? null : key);
  const focused = tracks.find((ref) => tileKey(ref) === focus);
  if (focused === undefined) return <TileGrid tracks={tracks} onPin={onPin} link={link} />;
  return (
    <div className={classes["focus"]}>
      <div className={classes["large"]}>
        <Tile trackRef={focused} onPin={onPin} pinned={pinned === focus} spotlight={focused === shown} contain />
      </div>
      <div className={classes["strip"]}>
        {tracks.filter((ref) => ref !== focused).map((ref) => (
          <div key={tileKey(ref)} className={classes["thumbnail"]}>
            <Tile trackRef={ref} onPin={onPin} pinned={false} />
          </div>
        ))}
      </div>
    </div>
  );
}

function TileGrid({ tracks, onPin, link }: { tracks: TileRef[]; onPin: (key: string) => void; link: () => string }) {
  const { t } = useTranslation();
  const { ref: box, width, height } = useElementSize();
  const [wanted, setWanted] = useState(0);
  const all = pages(tracks, tilesPerPage(width));
  const page = Math.min(wanted, all.length - 1);
  const shown = all[page] ?? [];
  const grid = fitGrid(shown.length, width, height);
  return (
    <div className={classes["pages"]}>
      <div ref={box} className={classes["box"]}>
        <div className={classes["grid"]} style={{ gridTemplateColumns: `repeat(${grid.columns}, ${grid.tileWidth}px)`, gridAutoRows: `${grid.tileHeight}px` }}>
          {width === 0 ? null : shown.map((ref) => <Tile key={tileKey(ref)} trackRef={ref} onPin={onPin} pinned={false} />)}
        </div>
      </div>
      {all.length > 1 ? (
        <Group justify="center" gap="xs">
          <ActionIcon variant="default" aria-label={t("call.previousPage")} disabled={page === 0} onClick={() => setWanted(page - 1)}>
            <IconChevronLeft size={18} aria-hidden />
          </ActionIcon>
          <Text size="sm" role="status">
            {t("call.page", { page: page + 1, pages: all.length })}
          </Text>
          <ActionIcon variant="default" aria-label={t("call.nextPage")} disabled={page === all.length - 1} onClick={() => setWanted(page + 1)}>
            <IconChevronRight size={18} aria-hidden />
          </ActionIcon>
        </Group>
      ) : null}
      {tracks.length === 1 ? <Alone link={link} /> : null}
    </div>
  );
}

function Alone({ link }: { link: () => string }) {
  const { t } = useTranslation();
  return (
    <Group className={classes["alone"] ?? ""} justify="center" gap="sm">
      <Text>{t("call.alone")}</Text>
      <Button size="compact-md" variant="white" onClick={() => void navigator.clipboard.writeText(link())}>
        {t("app.copyLink")}
      </Button>
    </Group>
  );
}
