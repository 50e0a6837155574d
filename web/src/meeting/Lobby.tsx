import { Alert, Anchor, Button, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconMicrophone, IconVideo, IconVolume } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Meeting, MeetingFront } from "../core/api/types.ts";
import { LONGEST_NAME } from "../core/choices.ts";
import { canEncrypt } from "../core/encryptable.ts";
import { readKey } from "../core/meetingKey.ts";
import { span } from "../core/when.ts";
import { HouseLinks } from "../ui/HouseLinks.tsx";
import { DeviceSelect } from "./DeviceSelect.tsx";
import { KeyEntry } from "./KeyEntry.tsx";
import { LevelMeter } from "./LevelMeter.tsx";
import { PreviewPicture } from "./PreviewPicture.tsx";
import classes from "./lobby.module.css";
import { useChoices } from "./useChoices.ts";
import { useDevices } from "./useDevices.ts";
import { usePreviewTrack } from "./usePreviewTrack.ts";
import type { HeldKey } from "./useMeetingKey.ts";
import type { Ready } from "./MeetingPage.tsx";

interface Props {
  meeting: Meeting | MeetingFront;
  /** Nobody is signed in: a name is asked for. */
  guest: boolean;
  held: HeldKey;
  onJoin: (ready: Ready) => void;
}

/** The device check: how others will see and hear me, before they do. */
export function Lobby({ meeting, guest, held, onJoin }: Props) {
  const { t, i18n } = useTranslation();
  const [choices, choose] = useChoices();
  const devices = useDevices();
  const camera = usePreviewTrack("video", choices.cameraOn, choices.camera, devices.refresh);
  const microphone = usePreviewTrack("audio", choices.microphoneOn, choices.microphone, devices.refresh);
  const [nameless, setNameless] = useState(false);
  const [typedKey, setTypedKey] = useState("");
  const [wrongKey, setWrongKey] = useState(false);
  const told = "options" in meeting ? meeting.options.e2ee : meeting.e2ee;
  // Whoever has a key is not talked out of it: a server that denied the encryption would be able to listen.
  const encrypted = told || held.key !== null;
  const supported = !encrypted || canEncrypt();
  const title = meeting.title || t("meeting.untitled", { name: meeting.owner.name });
  // Not asked of the list of speakers, which comes later: the button below would jump away from under the pointer.
  const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

  function join(): void {
    const name = choices.name.trim();
    setNameless(guest && name === "");
    const key = encrypted ? (held.key ?? readKey(typedKey)) : null;
    setWrongKey(encrypted && key === null);
    if ((guest && name === "") || (encrypted && key === null) || !supported) return;
    if (key !== null) held.hold(key);
    onJoin({ choices, key, guestName: guest ? name : null, tracks: { microphone: microphone.take(), camera: camera.take() } });
  }

  return (
    <main className={classes["page"]}>
      <Stack>
        <div>
          <Title order={1} size="h2">
            {title}
          </Title>
          {meeting.begin_at !== null && meeting.end_at !== null ? (
            <Text c="dimmed">{span(meeting.begin_at, meeting.end_at, i18n.language)}</Text>
          ) : null}
        </div>
        <form
          noValidate
          className={classes["columns"]}
          onSubmit={(event) => {
            event.preventDefault();
            join();
          }}
        >
          <Stack>
            <PreviewPicture camera={camera.track} choices={choices} choose={choose} />
            <LevelMeter track={microphone.track} />
            {camera.problem === null ? null : <Alert color="yellow">{t(`lobby.camera.${camera.problem}`)}</Alert>}
            {microphone.problem === null ? null : <Alert color="yellow">{t(`lobby.microphone.${microphone.problem}`)}</Alert>}
          </Stack>
          <Stack>
            {guest ? (
              <TextInput
                label={t("lobby.name")}
                autoComplete="name"
                maxLength={LONGEST_NAME}
                required
                autoFocus
                value={choices.name}
                error={nameless ? t("lobby.nameMissing") : null}
                onChange={(event) => choose({ name: event.currentTarget.value })}
              />
            ) : null}
            <DeviceSelect
              label={t("lobby.microphoneLabel")}
              icon={<IconMicrophone size={18} aria-hidden />}
              devices={devices.microphones}
              chosen={choices.microphone}
              onChoose={(id) => choose({ microphone: id })}
            />
            <DeviceSelect
              label={t("lobby.cameraLabel")}
              icon={<IconVideo size={18} aria-hidden />}
              devices={devices.cameras}
              chosen={choices.camera}
              onChoose={(id) => choose({ camera: id })}
            />
            {canChooseSpeaker ? (
              <DeviceSelect
                label={t("lobby.speakerLabel")}
                icon={<IconVolume size={18} aria-hidden />}
                devices={devices.speakers}
                chosen={choices.speaker}
                onChoose={(id) => choose({ speaker: id })}
              />
            ) : null}
            <KeyEntry
              held={held}
              told={told}
              owner={"is_owner" in meeting && meeting.is_owner}
              supported={supported}
              typed={typedKey}
              wrong={wrongKey}
              onTyped={(text) => {
                setTypedKey(text);
                setWrongKey(false);
              }}
            />
            <Button type="submit" size="lg" disabled={!supported}>
              {t("lobby.join")}
            </Button>
            {guest ? (
              <Anchor component={Link} to={`/sign-in?next=${encodeURIComponent(`/m/${meeting.code}`)}`} ta="center">
                {t("lobby.signIn")}
              </Anchor>
            ) : (
              <Anchor component={Link} to="/" ta="center">
                {t("app.toStart")}
              </Anchor>
            )}
          </Stack>
        </form>
        <HouseLinks />
      </Stack>
    </main>
  );
}
