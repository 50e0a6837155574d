import { ActionIcon, Button, Group as Row, Stack, Text, TextInput } from "@mantine/core";
import { IconPencil, IconTrash, IconUsersPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { parseAddresses } from "../core/addresses.ts";
import type { Group } from "../core/api/types.ts";
import { addressesOf, AddressField } from "../home/AddressField.tsx";
import { GROUPS } from "../home/GroupPicker.tsx";
import { useHub } from "../hub.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";

/** Lists of addresses under a name, to invite them all at once. */
export function Groups() {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const groups = useQuery({ queryKey: GROUPS, queryFn: () => hub.groups() });
  const [edited, setEdited] = useState<Group | "new" | null>(null);
  const refresh = () => queries.invalidateQueries({ queryKey: GROUPS });
  const remove = useMutation({ mutationFn: (id: string) => hub.deleteGroup(id), onSuccess: refresh });
  return (
    <Section title={t("groups.title")} what={t("groups.what")}>
      <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }}>
        {groups.data?.map((group) => (
          <Row component="li" key={group.id} justify="space-between" wrap="nowrap">
            <div style={{ minWidth: 0 }}>
              <Text truncate>{group.name}</Text>
              <Text size="sm" c="dimmed" truncate>
                {t("groups.members", { count: group.emails.length })} · {group.emails.slice(0, 3).join(", ")}
                {group.emails.length > 3 ? ", …" : ""}
              </Text>
            </div>
            <Row gap={4} wrap="nowrap">
              <ActionIcon variant="subtle" size="lg" aria-label={t("groups.change", { name: group.name })} onClick={() => setEdited(group)}>
                <IconPencil size={18} aria-hidden />
              </ActionIcon>
              <ActionIcon variant="subtle" color="red" size="lg" aria-label={t("groups.delete", { name: group.name })} onClick={() => remove.mutate(group.id)}>
                <IconTrash size={18} aria-hidden />
              </ActionIcon>
            </Row>
          </Row>
        ))}
      </Stack>
      <ProblemAlert error={groups.error ?? remove.error} />
      <Row>
        <Button variant="default" leftSection={<IconUsersPlus size={18} aria-hidden />} onClick={() => setEdited("new")}>
          {t("groups.add")}
        </Button>
      </Row>
      {edited === null ? null : <GroupDialog group={edited === "new" ? null : edited} onClose={() => void refresh().then(() => setEdited(null))} />}
    </Section>
  );
}

function GroupDialog({ group, onClose }: { group: Group | null; onClose: () => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const [name, setName] = useState(group?.name ?? "");
  const [emails, setEmails] = useState(group?.emails ?? []);
  const [typed, setTyped] = useState("");
  const { bad } = parseAddresses(emails.join("\n"));
  const keep = useMutation({ mutationFn: (whole: string[]) => hub.keepGroup(group?.id ?? null, { name: name.trim(), emails: whole }), onSuccess: onClose });
  return (
    <Dialog onClose={onClose} title={group === null ? t("groups.add") : t("groups.change", { name: group.name })}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          // An address still being typed counts too.
          const whole = addressesOf([...emails, typed]);
          setEmails(whole);
          setTyped("");
          if (parseAddresses(whole.join("\n")).bad.length === 0) keep.mutate(whole);
        }}
      >
        <Stack>
          <TextInput label={t("account.name")} data-autofocus required maxLength={100} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <AddressField
            label={t("groups.addresses")}
            description={t("schedule.inviteesHint")}
            error={bad.length === 0 ? null : t("schedule.address", { addresses: bad.join(", ") })}
            addresses={emails}
            onAddresses={setEmails}
            typed={typed}
            onTyped={setTyped}
          />
          <ProblemAlert error={keep.error} />
          <Row justify="flex-end">
            <Button type="submit" loading={keep.isPending} disabled={name.trim() === "" || (emails.length === 0 && typed.trim() === "")}>
              {t("account.save")}
            </Button>
          </Row>
        </Stack>
      </form>
    </Dialog>
  );
}
