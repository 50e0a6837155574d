import { useAudioPlayback } from "@livekit/components-react";
import { Alert, Button, Group, Text } from "@mantine/core";
import { IconVolumeOff } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { useReadable } from "../ui/useReadable.ts";
import { StrangersNotice } from "./StrangersNotice.tsx";
import classes from "./call.module.css";

export function NoticeStack({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const notices = useReadable(live.notices.list);
  const { canPlayAudio, startAudio } = useAudioPlayback(live.room);
  return (
    <div className={classes["notices"]} role="status">
      {live.encryption === null ? null : <StrangersNotice encryption={live.encryption} code={live.code} />}
      {canPlayAudio ? null : (
        <Alert color="yellow" variant="filled" autoContrast icon={<IconVolumeOff aria-hidden />}>
          <Group justify="space-between">
            <Text>{t("call.soundBlocked")}</Text>
            <Button color="dark" onClick={() => void startAudio()}>
              {t("call.soundOn")}
            </Button>
          </Group>
        </Alert>
      )}
      {notices.map((notice) => (
        <Alert
          key={notice.id}
          color="red"
          variant="filled"
          withCloseButton
          closeButtonLabel={t("app.close")}
          onClose={() => live.notices.dismiss(notice.id)}
        >
          {t(`notice.${notice.text}`)}
        </Alert>
      ))}
    </div>
  );
}
