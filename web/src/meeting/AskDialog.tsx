import { Button, Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { LiveMeeting } from "../room/enter.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { useReadable } from "../ui/useReadable.ts";

/** A host asks; nobody but the person at the microphone switches it on. */
export function AskDialog({ live }: { live: LiveMeeting }) {
  const { t } = useTranslation();
  const asked = useReadable(live.asked);
  if (asked === null) return null;
  const close = () => live.asked.set(null);
  const camera = asked === "camera";
  return (
    <Dialog title={t(camera ? "ask.camera" : "ask.microphone")} onClose={close}>
      <Text>{t(camera ? "ask.cameraText" : "ask.microphoneText")}</Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={close}>
          {t(camera ? "ask.cameraNo" : "ask.microphoneNo")}
        </Button>
        <Button
          data-autofocus
          onClick={() => {
            close();
            void (camera ? live.outgoing.setCamera(true) : live.outgoing.setMicrophone(true));
          }}
        >
          {t(camera ? "ask.cameraYes" : "ask.microphoneYes")}
        </Button>
      </Group>
    </Dialog>
  );
}
