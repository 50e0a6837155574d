import { Badge } from "@mantine/core";
import { IconRoute } from "@tabler/icons-react";
import type { Room, Track, TrackPublication } from "livekit-client";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { hardest, wayOf, type Way } from "../core/way.ts";

const INTERVAL = 3_000;

/** Says how the meeting's media gets through, so that people know why it may be slower, and what to tell those who help them. */
export function ConnectionWay({ room }: { room: Room }) {
  const { t } = useTranslation();
  const way = useWay(room);
  if (way === null) return null;
  return (
    <Badge variant="transparent" color="gray" tt="none" leftSection={<IconRoute size={12} aria-hidden />} data-way={way}>
      {t(`call.way.${way}`)}
    </Badge>
  );
}

function useWay(room: Room): Way | null {
  const [way, setWay] = useState<Way | null>(null);
  useEffect(() => {
    let over = false;
    const look = async () => {
      const found = await lookUp(room);
      // Between two tracks nothing is known: what was known is still true.
      if (!over && found !== null) setWay(found);
    };
    void look();
    const timer = setInterval(() => void look(), INTERVAL);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [room]);
  return way;
}

/** One track each way is enough: there is one connection for each direction, or one for both. */
async function lookUp(room: Room): Promise<Way | null> {
  const sent = firstTrack(room.localParticipant.trackPublications.values());
  const received = firstTrack([...room.remoteParticipants.values()].flatMap((person) => [...person.trackPublications.values()]));
  const reports = await Promise.all([sent, received].map((track) => track?.getRTCStatsReport().catch(() => undefined)));
  return hardest(reports.map((report) => (report === undefined ? null : wayOf(report as unknown as Iterable<[string, Record<string, unknown>]>))));
}

function firstTrack(publications: Iterable<TrackPublication>): Track | undefined {
  return [...publications].find((publication) => publication.track !== undefined)?.track;
}
