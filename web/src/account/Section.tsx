import { Paper, Stack, Text, Title } from "@mantine/core";
import { useId, type ReactNode } from "react";

/** A part of the account's page, named by its heading. */
export function Section({ title, what, children }: { title: string; what?: string; children: ReactNode }) {
  const id = useId();
  return (
    <Paper component="section" withBorder p="lg" aria-labelledby={id}>
      <Stack>
        <Title order={2} size="h4" id={id}>
          {title}
        </Title>
        {what === undefined ? null : (
          <Text size="sm" c="dimmed">
            {what}
          </Text>
        )}
        {children}
      </Stack>
    </Paper>
  );
}
