import { Group, SegmentedControl, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Answer, Meeting } from "../core/api/types.ts";
import { useHub } from "../hub.ts";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { MEETINGS } from "./MeetingList.tsx";

const ANSWERS: Answer[] = ["accepted", "tentative", "declined"];

/** For the owner: how many come, and who on hovering. For the invited: their own answer. */
export function Replies({ meeting }: { meeting: Meeting }) {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const send = useMutation({
    mutationFn: (answer: Answer) => hub.reply(meeting.code, answer, meeting.occurrence),
    onSuccess: () => queries.invalidateQueries({ queryKey: [MEETINGS] }),
  });
  if (meeting.is_owner) {
    const invited = meeting.invitees ?? [];
    if (invited.length === 0) return null;
    const who = (reply: string) => invited.filter((each) => each.reply === reply).map((each) => each.name || each.email);
    const counts = { yes: who("accepted").length, maybe: who("tentative").length, no: who("declined").length, open: who("none").length };
    const names = ANSWERS.flatMap((answer) => who(answer).map((name) => `${name}: ${t(`reply.${answer}`)}`));
    return (
      <Text size="sm" c="dimmed" title={names.join("\n")}>
        {t("home.replies", counts)}
      </Text>
    );
  }
  if (meeting.reply === null) return null;
  return (
    <Group gap="xs">
      <SegmentedControl
        size="xs"
        aria-label={t("reply.question")}
        data={ANSWERS.map((value) => ({ value, label: t(`reply.${value}`) }))}
        value={meeting.reply === "none" ? "" : meeting.reply}
        onChange={(value) => send.mutate(value as Answer)}
      />
      <ProblemAlert error={send.error} />
    </Group>
  );
}
