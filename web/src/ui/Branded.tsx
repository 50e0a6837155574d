/** Everything below in the house's colours; in ours as long as they are not known. */
import { type CSSVariablesResolver, MantineProvider, mergeThemeOverrides } from "@mantine/core";
import { type ReactNode, useEffect, useMemo } from "react";
import { ON_LIGHT, paletteOf } from "../core/brand.ts";
import { readableColors, theme } from "./theme.ts";
import { useBrand } from "./useBrand.ts";

export function Branded({ children }: { children: ReactNode }) {
  const { color, color_dark: dark, logo } = useBrand().data ?? {};
  const branded = useMemo(
    () =>
      color === undefined || dark === undefined
        ? theme
        : mergeThemeOverrides(theme, { primaryColor: "brand", primaryShade: ON_LIGHT, colors: { brand: paletteOf(color, dark) } }),
    [color, dark],
  );
  useEffect(() => {
    if (logo) document.querySelector('link[rel="icon"]')?.replaceWith(iconOf(logo));
  }, [logo]);
  return (
    <MantineProvider theme={branded} cssVariablesResolver={color === undefined ? readableColors : brandedColors} defaultColorScheme="auto">
      {children}
    </MantineProvider>
  );
}

const brandedColors: CSSVariablesResolver = (base) => {
  const { variables, light, dark } = readableColors(base);
  return { variables, light: { ...light, "--mantine-color-anchor": `var(--mantine-color-brand-${ON_LIGHT})` }, dark: { ...dark, "--mantine-color-anchor": "var(--mantine-color-brand-4)" } };
};

function iconOf(address: string): HTMLLinkElement {
  return Object.assign(document.createElement("link"), { rel: "icon", href: address });
}
