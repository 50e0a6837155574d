import { createTheme, type CSSVariablesResolver } from "@mantine/core";

/** System fonts only: nothing is fetched from elsewhere. */
export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: 8,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  autoContrast: true,
  headings: { fontWeight: "650" },
  components: {
    // The focus goes to the first item (WAI-ARIA menu button); a placeholder that can be focused is no child that a menu may have.
    // (Not `Menu.extend`: the start page would load what only menus need.)
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
  },
});

/** Mantine's secondary and error texts are too faint for WCAG 2.2 AA (4.5:1) on our backgrounds. */
export const readableColors: CSSVariablesResolver = (base) => ({
  variables: {},
  light: { "--mantine-color-dimmed": base.colors.gray[7], "--mantine-color-error": base.colors.red[9], "--mantine-color-anchor": base.colors.blue[8], "--mantine-color-placeholder": base.colors.gray[7] },
  dark: { "--mantine-color-dimmed": base.colors.dark[1], "--mantine-color-error": base.colors.red[4], "--mantine-color-placeholder": base.colors.dark[1] },
});
