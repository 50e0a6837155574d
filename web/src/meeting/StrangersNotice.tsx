import { useRoomContext } from "@livekit/components-react";
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconKeyOff } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { keepKey, readKey } from "../core/meetingKey.ts";
import type { Encryption } from "../room/encryption.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { useReadable } from "../ui/useReadable.ts";
import { KeyField } from "./KeyField.tsx";

/** Who cannot be seen and heard because of the key, for as long as that is so, and the way out of it. */
export function StrangersNotice({ encryption, code }: { encryption: Encryption; code: string }) {
  const { t, i18n } = useTranslation();
  const room = useRoomContext();
  const strangers = useReadable(encryption.strangers.list);
  const [entering, setEntering] = useState(false);
  const named = (why: string) => [...strangers].filter(([, each]) => each === why).map(([identity]) => room.getParticipantByIdentity(identity)?.name || identity);
  const list = (names: string[]) => new Intl.ListFormat(i18n.language).format(names);
  const others = named("key");
  const plain = named("plain");
  if (strangers.size === 0 && !entering) return null;
  return (
    <>
      {strangers.size === 0 ? null : (
        <Alert color="orange" variant="filled" autoContrast icon={<IconKeyOff aria-hidden />} data-strangers={strangers.size}>
          <Stack gap="xs" align="start">
            {others.length === 0 ? null : <Text>{t("e2ee.otherKey", { names: list(others) })}</Text>}
            {plain.length === 0 ? null : <Text>{t("e2ee.sendsPlain", { names: list(plain) })}</Text>}
            {others.length === 0 ? null : (
              <Button color="dark" onClick={() => setEntering(true)}>
                {t("e2ee.enter")}
              </Button>
            )}
          </Stack>
        </Alert>
      )}
      {entering ? <KeyDialog encryption={encryption} code={code} onClose={() => setEntering(false)} /> : null}
    </>
  );
}

function KeyDialog({ encryption, code, onClose }: { encryption: Encryption; code: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(false);
  return (
    <Dialog title={t("e2ee.label")} onClose={onClose}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const key = readKey(typed);
          setWrong(key === null);
          if (key === null) return;
          keepKey(window.localStorage, code, key);
          void encryption.change(key).then(onClose);
        }}
      >
        <KeyField
          value={typed}
          wrong={wrong}
          onChange={(text) => {
            setTyped(text);
            setWrong(false);
          }}
        />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={onClose}>
            {t("app.close")}
          </Button>
          <Button type="submit">{t("e2ee.use")}</Button>
        </Group>
      </form>
    </Dialog>
  );
}
