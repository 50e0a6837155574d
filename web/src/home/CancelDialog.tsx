import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useHub } from "../hub.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { MEETINGS } from "./MeetingList.tsx";

export function CancelDialog({ code, title, onClose }: { code: string; title: string; onClose: () => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => hub.cancel(code),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: [MEETINGS] });
      onClose();
    },
  });
  return (
    <Dialog onClose={onClose} title={t("home.cancelTitle")}>
      <Stack>
        <Text>{t("home.cancelWhat", { title })}</Text>
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
