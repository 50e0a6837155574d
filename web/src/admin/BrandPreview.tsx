/** What the brand would look like, as it is typed: the head of a page, a button and a link, on light and on dark. */
import { Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Values } from "./api.ts";

// What the pages themselves have behind them (Mantine's white and dark.7).
const PAGES = { light: { background: "#ffffff", color: "#000000" }, dark: { background: "#242424", color: "#c9c9c9" } } as const;

export function BrandPreview({ values, picture }: { values: Values; picture: File | null }) {
  const { t } = useTranslation();
  const chosen = useAddress(picture);
  const logo = chosen ?? (values.logo ? `/api/v1/branding/logo/${values.logo}` : "/icon.svg");
  return (
    <Stack gap="xs" component="section" aria-label={t("admin.brandPreview")}>
      <Text size="sm" fw={500}>
        {t("admin.brandPreview")}
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {(["light", "dark"] as const).map((scheme) => (
          <Paper key={scheme} withBorder p="md" style={PAGES[scheme]}>
            <Stack align="start">
              <Group gap="xs" wrap="nowrap" maw="100%">
                <img src={logo} alt="" height={28} style={{ maxWidth: "8rem", objectFit: "contain" }} />
                <Text fw={700} truncate>
                  {values.name}
                </Text>
              </Group>
              {/* Pictures of a button and a link: they do nothing. */}
              <Text size="sm" fw={600} px="md" py={6} style={{ background: values.color, color: "#ffffff", borderRadius: "var(--mantine-radius-md)" }}>
                {t("admin.previewButton")}
              </Text>
              <Text size="sm" td="underline" style={{ color: scheme === "light" ? values.color : values.color_dark }}>
                {t("admin.previewLink")}
              </Text>
            </Stack>
          </Paper>
        ))}
      </SimpleGrid>
    </Stack>
  );
}

/** An address under which the browser shows a file that was chosen, as long as it is. */
function useAddress(file: File | null): string | null {
  const address = useMemo(() => (file === null ? null : URL.createObjectURL(file)), [file]);
  useEffect(() => () => (address === null ? undefined : URL.revokeObjectURL(address)), [address]);
  return address;
}
