import { useRoomInfo } from "@livekit/components-react";
import { Badge } from "@mantine/core";
import { IconDoor, IconLock, IconShieldLock } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { readRoomState } from "../core/roomState.ts";
import type { LiveMeeting } from "../room/enter.ts";
import { ConnectionWay } from "./ConnectionWay.tsx";

/** A meeting with a maximum length says so five minutes before its end. */
const WARNING = 5 * 60_000;

/** What the room is like just now: locked, with a lobby, about to end. */
export function RoomBadges({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const { metadata } = useRoomInfo({ room: live.room });
  const { locked, lobby, endsAt } = readRoomState(metadata);
  const left = useTimeLeft(endsAt);
  return (
    <>
      {live.encryption === null ? null : (
        <Badge color="teal.9" leftSection={<IconShieldLock size={14} aria-hidden />} title={t("e2ee.what")}>
          {t("e2ee.badge")}
        </Badge>
      )}
      {locked ? (
        <Badge variant="light" leftSection={<IconLock size={12} aria-hidden />}>
          {t("call.locked")}
        </Badge>
      ) : null}
      {lobby && !locked ? (
        <Badge variant="light" color="gray" leftSection={<IconDoor size={12} aria-hidden />}>
          {t("call.lobbyOn")}
        </Badge>
      ) : null}
      {left === null || left > WARNING ? null : <Badge color="orange.9">{t("call.endsIn", { count: Math.max(0, Math.ceil(left / 60_000)) })}</Badge>}
      <ConnectionWay room={live.room} />
    </>
  );
}

function useTimeLeft(endsAt: number | null): number | null {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (endsAt === null) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, [endsAt]);
  return endsAt === null ? null : endsAt - now;
}
