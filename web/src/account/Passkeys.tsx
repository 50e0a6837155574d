import { ActionIcon, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconFingerprint, IconPencil, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Passkey } from "../core/api/types.ts";
import { createPasskey, wasDismissed } from "../core/passkey.ts";
import { day } from "../core/when.ts";
import { useHub } from "../hub.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { Section } from "./Section.tsx";

const PASSKEYS = ["passkeys"] as const;

/** The passkeys one has, and one more. */
export function Passkeys() {
  const { t } = useTranslation();
  const hub = useHub();
  const queries = useQueryClient();
  const passkeys = useQuery({ queryKey: PASSKEYS, queryFn: () => hub.passkeys() });
  const [renamed, setRenamed] = useState<Passkey | null>(null);
  const refresh = () => queries.invalidateQueries({ queryKey: PASSKEYS });
  const add = useMutation({
    mutationFn: async () => {
      const credential = await createPasskey(await hub.passkeyOptions());
      return hub.addPasskey(t("account.passkeyName", { number: (passkeys.data?.length ?? 0) + 1 }), credential);
    },
    onSuccess: async (made) => {
      await refresh();
      setRenamed(made);
    },
  });
  const remove = useMutation({ mutationFn: (id: string) => hub.deletePasskey(id), onSuccess: refresh });
  return (
    <Section title={t("account.passkeys")} what={t("account.passkeysWhat")}>
      <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }}>
        {passkeys.data?.map((each) => (
          <PasskeyRow key={each.id} passkey={each} onRename={() => setRenamed(each)} onDelete={() => remove.mutate(each.id)} />
        ))}
      </Stack>
      <ProblemAlert error={passkeys.error ?? remove.error ?? (wasDismissed(add.error) ? null : add.error)} />
      <Group>
        <Button variant="default" leftSection={<IconFingerprint size={18} aria-hidden />} loading={add.isPending} onClick={() => add.mutate()}>
          {t("account.addPasskey")}
        </Button>
      </Group>
      {renamed === null ? null : <RenameDialog passkey={renamed} onClose={() => void refresh().then(() => setRenamed(null))} />}
    </Section>
  );
}

function PasskeyRow({ passkey, onRename, onDelete }: { passkey: Passkey; onRename: () => void; onDelete: () => void }) {
  const { t, i18n } = useTranslation();
  const { name } = passkey;
  const used = passkey.used_at === null ? t("account.neverUsed") : t("account.lastUsed", { at: day(passkey.used_at, i18n.language) });
  return (
    <Group component="li" justify="space-between" wrap="nowrap">
      <div style={{ minWidth: 0 }}>
        <Text truncate>{name}</Text>
        <Text size="sm" c="dimmed">
          {[t("account.since", { at: day(passkey.created_at, i18n.language) }), used, passkey.synced ? t("account.synced") : ""].filter(Boolean).join(" · ")}
        </Text>
      </div>
      <Group gap={4} wrap="nowrap">
        <ActionIcon variant="subtle" size="lg" aria-label={t("account.renamePasskey", { name })} onClick={onRename}>
          <IconPencil size={18} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="subtle" color="red" size="lg" aria-label={t("account.deletePasskey", { name })} onClick={onDelete}>
          <IconTrash size={18} aria-hidden />
        </ActionIcon>
      </Group>
    </Group>
  );
}

function RenameDialog({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const { t } = useTranslation();
  const hub = useHub();
  const [name, setName] = useState(passkey.name);
  const rename = useMutation({ mutationFn: () => hub.renamePasskey(passkey.id, name), onSuccess: onClose });
  return (
    <Dialog onClose={onClose} title={t("account.namePasskey")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate();
        }}
      >
        <Stack>
          <TextInput label={t("account.name")} data-autofocus maxLength={100} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <ProblemAlert error={rename.error} />
          <Group justify="flex-end">
            <Button type="submit" loading={rename.isPending}>
              {t("account.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
