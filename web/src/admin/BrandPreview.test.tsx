import { render, screen, within } from "@testing-library/react";
import { MantineProvider } from "@mantine/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { accessible } from "../testing/show.tsx";
import type { Values } from "./api.ts";
import { BrandPreview } from "./BrandPreview.tsx";

const VALUES = { name: "Acme Meetings", color: "#0b7285", color_dark: "#66d9e8", logo: null } as Values;
const drawn = (values: Values, picture: File | null = null) => (
  <MantineProvider env="test">
    <BrandPreview values={values} picture={picture} />
  </MantineProvider>
);
const pictures = () => [...screen.getByRole("region", { name: "Preview" }).querySelectorAll("img")].map((image) => image.getAttribute("src"));

afterEach(() => vi.unstubAllGlobals());

describe("the preview of a brand", () => {
  test("has its name and colours on light and on dark", async () => {
    render(drawn(VALUES));
    const preview = within(screen.getByRole("region", { name: "Preview" }));
    expect(preview.getAllByText("Acme Meetings")).toHaveLength(2);
    expect(preview.getAllByText("Join the meeting").map(({ style }) => style.background)).toEqual(["rgb(11, 114, 133)", "rgb(11, 114, 133)"]);
    expect(preview.getAllByText("A link").map(({ style }) => style.color)).toEqual(["rgb(11, 114, 133)", "rgb(102, 217, 232)"]);
    await accessible();
  });

  test("follows what is typed", () => {
    const { rerender } = render(drawn(VALUES));
    rerender(drawn({ ...VALUES, name: "Other", color: "#ff0000" }));
    expect(screen.getAllByText("Other")).toHaveLength(2);
    expect(screen.getAllByText("Join the meeting")[0]?.style.background).toBe("rgb(255, 0, 0)");
  });

  test("shows the picture that was chosen before the one that is kept, and lets it go again", () => {
    const revoked: string[] = [];
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:chosen", revokeObjectURL: (address: string) => revoked.push(address) }));
    const { rerender } = render(drawn(VALUES));
    expect(pictures()).toEqual(["/icon.svg", "/icon.svg"]);
    rerender(drawn({ ...VALUES, logo: "abc" }));
    expect(pictures()).toEqual(Array(2).fill("/api/v1/branding/logo/abc"));
    rerender(drawn({ ...VALUES, logo: "abc" }, new File(["x"], "logo.png")));
    expect(pictures()).toEqual(["blob:chosen", "blob:chosen"]);
    rerender(drawn({ ...VALUES, logo: "abc" }));
    expect(revoked).toEqual(["blob:chosen"]);
  });
});
