/** Who is invited to a meeting, what they answered, and how it went with the last mail to them. */
import { Badge, Stack, Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Meeting } from "../core/api/types.ts";

type Invitee = Pick<NonNullable<Meeting["invitees"]>[number], "email" | "name" | "reply" | "delivery">;

export function Invited({ invitees }: { invitees: Invitee[] }) {
  const { t } = useTranslation();
  return (
    <Table.ScrollContainer minWidth={520} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": t("details.invited") } }}>
      <Table aria-label={t("details.invited")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("details.who")}</Table.Th>
            <Table.Th>{t("details.reply")}</Table.Th>
            <Table.Th>{t("details.mail")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {invitees.map((each) => (
            <Table.Tr key={each.email}>
              <Table.Td>
                <Text>{each.name || each.email}</Text>
                {each.name ? (
                  <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                    {each.email}
                  </Text>
                ) : null}
              </Table.Td>
              <Table.Td>{each.reply === "none" ? "–" : t(`reply.${each.reply as "accepted"}`)}</Table.Td>
              <Table.Td>
                <Delivery of={each.delivery} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

const COLORS = { sent: "teal.9", queued: "gray.8", failed: "red.9" } as const;

/** How it went with the last mail. What a mail server said is shown as it said it. */
function Delivery({ of }: { of: Invitee["delivery"] }) {
  const { t } = useTranslation();
  if (of === null) return <>–</>;
  return (
    <Stack gap={2} align="start">
      <Badge color={COLORS[of.state as keyof typeof COLORS]}>{t(`details.delivery.${of.state as "sent"}`)}</Badge>
      {of.trouble === null ? null : <Text size="sm">{t(`details.trouble.${of.trouble}`)}</Text>}
      {of.detail === "" ? null : (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {of.detail}
        </Text>
      )}
    </Stack>
  );
}
