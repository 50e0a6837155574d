import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Meeting, Scope } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { MEETINGS } from "./MeetingList.tsx";
import { ScopeField } from "./ScopeField.tsx";

export function CancelDialog({ meeting, title, onClose }: { meeting: Meeting; title: string; onClose: () => void }) {
  const [scope, setScope] = useState<Scope>("this");
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => (meeting.occurrence === null ? hub.cancel(meeting.code) : hub.cancel(meeting.code, { scope, occurrence: meeting.occurrence })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: [MEETINGS] });
      onClose();
    },
  });
  return (
    <Dialog onClose={onClose} title={t("home.cancelTitle")}>
      <Stack>
        <Text>{t("home.cancelWhat", { title })}</Text>
        {meeting.occurrence === null ? null : <ScopeField scope={scope} onScope={setScope} />}
        <ProblemAlert error={cancel.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t("home.keep")}
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            {t("home.cancel")}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
