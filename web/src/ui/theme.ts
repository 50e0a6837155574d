import { createTheme } from "@mantine/core";

/** System fonts only: nothing is fetched from elsewhere. */
export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: { light: 7, dark: 8 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  autoContrast: true,
  headings: { fontWeight: "650" },
});
