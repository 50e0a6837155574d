import { Radio, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Scope } from "../core/api/types.ts";

const SCOPES: Scope[] = ["this", "following", "all"];

/** What of a series is meant. */
export function ScopeField({ scope, onScope }: { scope: Scope; onScope: (scope: Scope) => void }) {
  const { t } = useTranslation();
  return (
    <Radio.Group label={t("schedule.scope")} value={scope} onChange={(value) => onScope(value as Scope)}>
      <Stack gap={6} mt={4}>
        {SCOPES.map((one) => (
          <Radio key={one} value={one} label={t(`schedule.scopes.${one}`)} />
        ))}
      </Stack>
    </Radio.Group>
  );
}
