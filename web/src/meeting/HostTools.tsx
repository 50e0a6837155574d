import { useLocalParticipant, useParticipantAttribute, useRoomInfo } from "@livekit/components-react";
import { Anchor, Button, Group, Stack, Switch } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { RoomChanges } from "../core/api/types.ts";
import { leads, roleOf } from "../core/roles.ts";
import { readRoomState } from "../core/roomState.ts";
import { useHub } from "../hub.ts";
import type { LiveMeeting } from "../room/enter.ts";

/** What whoever leads does to all at once. */
export function HostTools({ live, hands }: { live: LiveMeeting; hands: number }) {
  const { t } = useTranslation();
  const hub = useHub();
  const { metadata } = useRoomInfo({ room: live.room });
  const { localParticipant } = useLocalParticipant();
  const role = useParticipantAttribute("role", { participant: localParticipant }) ?? "";
  if (!leads(roleOf({ role }))) return null;
  const state = readRoomState(metadata);
  const failed = () => live.notices.add("notDone");
  const change = (changes: RoomChanges) => void hub.changeRoom(live.code, changes).catch(failed);
  return (
    <Stack gap="xs" component="section" aria-label={t("lead.title")}>
      <Group gap="xs">
        <Button size="compact-md" variant="default" onClick={() => void hub.mute(live.code, null, "microphone").catch(failed)}>
          {t("lead.muteAll")}
        </Button>
        {hands > 0 ? (
          <Button size="compact-md" variant="default" onClick={() => void hub.lowerHand(live.code, null).catch(failed)}>
            {t("lead.lowerAll")}
          </Button>
        ) : null}
        <Anchor component={Link} to={`/m/${live.code}/attendance`} target="_blank" size="sm">
          {t("attendance.title")}
        </Anchor>
      </Group>
      <Switch label={t("lead.locked")} checked={state.locked} onChange={(event) => change({ locked: event.currentTarget.checked })} />
      <Switch label={t("lead.lobby")} checked={state.lobby} onChange={(event) => change({ lobby: event.currentTarget.checked })} />
      <Switch
        label={t("lead.maySpeak")}
        checked={!state.microphonesClosed}
        onChange={(event) => change({ microphones_closed: !event.currentTarget.checked })}
      />
      <Switch
        label={t("lead.mayShare")}
        checked={!state.onlyHostsPresent}
        onChange={(event) => change({ presenters: event.currentTarget.checked ? "everyone" : "hosts" })}
      />
    </Stack>
  );
}
