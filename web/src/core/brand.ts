/** The house's colours as a palette of ten, the lightest first, as Mantine has them. The hub holds both to a contrast of 4.5. */

/** Where a palette has the colour of light pages (behind white text) and that of dark ones (text on the dark). */
export const ON_LIGHT = 8;
const ON_DARK = [3, 4];

export type Palette = [string, string, string, string, string, string, string, string, string, string];

/** `light` and `dark` as #rrggbb. */
export function paletteOf(light: string, dark: string): Palette {
  return Array.from({ length: 10 }, (_, shade) => {
    if (ON_DARK.includes(shade)) return dark;
    if (shade < 3) return mixed("#ffffff", dark, (shade + 1) / 4);
    if (shade < ON_LIGHT) return mixed(dark, light, (shade - 4) / 4);
    return shade === ON_LIGHT ? light : mixed(light, "#000000", 0.15);
  }) as Palette;
}

/** The colour that lies `part` (0 to 1) of the way from one to the other. */
function mixed(from: string, to: string, part: number): string {
  const channel = (color: string, at: number) => Number.parseInt(color.slice(1 + 2 * at, 3 + 2 * at), 16);
  return `#${[0, 1, 2].map((at) => Math.round(channel(from, at) * (1 - part) + channel(to, at) * part).toString(16).padStart(2, "0")).join("")}`;
}
