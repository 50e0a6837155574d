import { Button, Checkbox, ColorInput, FileInput, Group, NumberInput, Select, SimpleGrid, Stack, TagsInput, Text, Textarea, TextInput, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import type { Retention, Settings, Values } from "./api.ts";
import { BRAND } from "../ui/useBrand.ts";
import { BrandPreview } from "./BrandPreview.tsx";
import { ADMIN, useAct, useAdmin } from "./useAdmin.ts";

export function SettingsTab() {
  const admin = useAdmin();
  const settings = useQuery({ queryKey: [ADMIN, "settings"], queryFn: () => admin.settings(), refetchOnWindowFocus: false });
  if (settings.isPending) return <Loading />;
  if (settings.error !== null) return <ProblemAlert error={settings.error} />;
  // Whoever saves gets the next version: the form begins again from it.
  return <Form key={settings.data.version} settings={settings.data} />;
}

const KINDS = ["meetings", "chat", "minutes", "files", "attendance", "mails", "audit", "sessions", "guests"] as const;

function Form({ settings }: { settings: Settings }) {
  const { t } = useTranslation();
  const admin = useAdmin();
  const queries = useQueryClient();
  const [values, setValues] = useState(settings.values);
  const [picture, setPicture] = useState<File | null>(null);
  const [preview, setPreview] = useState<Record<string, number> | null>(null);
  const save = useAct(async () => {
    const names = Object.keys(values) as (keyof Values)[];
    const changed = Object.fromEntries(names.filter((name) => JSON.stringify(values[name]) !== JSON.stringify(settings.values[name])).map((name) => [name, values[name]]));
    let { version } = settings;
    if (Object.keys(changed).length > 0) ({ version } = await admin.changeSettings(version, changed));
    if (picture !== null) await admin.setLogo(version, picture);
    await queries.invalidateQueries({ queryKey: BRAND });
  });
  const retention = values.retention as Retention;
  const look = useAct(async () => setPreview((await admin.previewRetention(retention)).rows));
  const set = <K extends keyof Values>(name: K, value: Values[K]) => setValues({ ...values, [name]: value });
  const locked = (name: keyof Values) => settings.locked.includes(name);
  const props = (name: keyof Values) => ({
    label: t(`admin.setting.${name as "name"}`),
    disabled: locked(name),
    ...(locked(name) ? { description: t("admin.locked") } : {}),
  });
  const text = (name: "name" | "imprint_url" | "privacy_url") => <TextInput {...props(name)} value={values[name] ?? ""} onChange={(event) => set(name, event.currentTarget.value)} />;
  const area = (name: "sign_in_text" | "mail_footer") => <Textarea {...props(name)} autosize minRows={2} maxLength={1000} value={values[name] ?? ""} onChange={(event) => set(name, event.currentTarget.value)} />;
  const check = (name: "guests_allowed" | "default_lobby" | "default_passcode" | "attendance") => <Checkbox {...props(name)} checked={values[name] ?? false} onChange={(event) => set(name, event.currentTarget.checked)} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(undefined);
      }}
    >
      <Stack gap="xl">
        <Stack>
          <Title order={2}>{t("admin.section.who")}</Title>
          <TagsInput {...props("allowed_domains")} styles={{ input: { opacity: 1 }, pill: { color: "var(--mantine-color-text)" } }} placeholder="example.com" value={values.allowed_domains ?? []} onChange={(domains) => set("allowed_domains", domains)} />
          <Select
            {...props("creators")}
            allowDeselect={false}
            value={values.creators ?? "everyone"}
            onChange={(value) => set("creators", value === "administrators" ? value : "everyone")}
            data={[
              { value: "everyone", label: t("admin.creators.everyone") },
              { value: "administrators", label: t("admin.creators.administrators") },
            ]}
          />
          {check("guests_allowed")}
        </Stack>
        <Stack>
          <Title order={2}>{t("admin.section.meetings")}</Title>
          {check("default_lobby")}
          {check("default_passcode")}
          {check("attendance")}
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <NumberInput {...props("max_minutes")} min={5} max={10080} allowDecimal={false} placeholder={t("admin.noLimit")} value={values.max_minutes ?? ""} onChange={(value) => set("max_minutes", typeof value === "number" ? value : null)} />
            <NumberInput {...props("reminder_minutes")} min={0} max={1440} allowDecimal={false} value={values.reminder_minutes ?? 10} onChange={(value) => set("reminder_minutes", typeof value === "number" ? value : 0)} />
          </SimpleGrid>
        </Stack>
        <Stack>
          <Title order={2}>{t("admin.section.brand")}</Title>
          {text("name")}
          <Group align="end">
            {values.logo ? <img src={`/api/v1/branding/logo/${values.logo}`} alt={t("admin.logoNow")} height={48} style={{ maxWidth: 200, objectFit: "contain" }} /> : null}
            <FileInput label={t("admin.setting.logo")} description={t("admin.logoWhat")} accept="image/png,image/jpeg,image/webp" value={picture} onChange={setPicture} clearable clearButtonProps={{ "aria-label": t("admin.clear") }} style={{ flex: "1 1 14rem" }} />
            {values.logo ? (
              <Button variant="default" onClick={() => set("logo", null)}>
                {t("admin.noLogo")}
              </Button>
            ) : null}
          </Group>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <ColorInput {...props("color")} value={values.color ?? ""} onChange={(color) => set("color", color)} eyeDropperButtonProps={{ "aria-label": t("admin.pickColor") }} />
            <ColorInput {...props("color_dark")} value={values.color_dark ?? ""} onChange={(color) => set("color_dark", color)} eyeDropperButtonProps={{ "aria-label": t("admin.pickColor") }} />
          </SimpleGrid>
          <BrandPreview values={values} picture={picture} />
          {area("sign_in_text")}
          {area("mail_footer")}
          {text("imprint_url")}
          {text("privacy_url")}
        </Stack>
        <Stack>
          <Title order={2}>{t("admin.section.retention")}</Title>
          <Text c="dimmed">{t("admin.retentionWhat")}</Text>
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            {KINDS.map((kind) => (
              <NumberInput
                key={kind}
                label={t(`admin.kindOf.${kind}`)}
                min={1}
                allowDecimal={false}
                placeholder={t("admin.forEver")}
                value={retention[kind] ?? ""}
                onChange={(value) => set("retention", { ...retention, [kind]: typeof value === "number" ? value : null })}
                {...(preview === null ? {} : { description: t("admin.wouldGo", { count: preview[kind] ?? 0 }) })}
              />
            ))}
          </SimpleGrid>
          <Group>
            <Button variant="default" loading={look.isPending} onClick={() => look.mutate(undefined)}>
              {t("admin.preview")}
            </Button>
          </Group>
          <ProblemAlert error={look.error} />
        </Stack>
        <ProblemAlert error={save.error} />
        <Group justify="flex-end">
          <Button type="submit" loading={save.isPending}>
            {t("admin.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
