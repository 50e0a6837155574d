import { describe, expect, test } from "vitest";
import { deviceOf, FIRST_CHOICES, keepChoices, readChoices } from "./choices.ts";

function box(content: Record<string, string> = {}) {
  return {
    content,
    getItem: (key: string) => content[key] ?? null,
    setItem: (key: string, value: string) => {
      content[key] = value;
    },
  };
}

describe("choices", () => {
  test("are there again", () => {
    const kept = box();
    keepChoices(kept, { ...FIRST_CHOICES, camera: "cam-2", cameraOn: false });
    expect(readChoices(kept)).toMatchObject({ camera: "cam-2", cameraOn: false, microphoneOn: true });
  });

  test.each(["{", "null", "7", '{"cameraOn":"no","camera":7}'])("survive a broken store: %s", (text) => {
    expect(readChoices(box({ "meeting.choices": text }))).toEqual(FIRST_CHOICES);
  });
});

describe("a tab's name", () => {
  const bytes = (count: number) => new Uint8Array(count).map((_, index) => index * 31);

  test("is made once and kept", () => {
    const tab = box();
    const made = deviceOf(tab, bytes);
    expect(made).toMatch(/^[a-z0-9]{8}$/);
    expect(deviceOf(tab, () => new Uint8Array(8))).toBe(made);
  });

  test("is made anew when what was kept is not one", () => {
    expect(deviceOf(box({ "meeting.device": "<script>" }), bytes)).toMatch(/^[a-z0-9]{8}$/);
  });
});
