/** What a person chose at the device check, kept in this browser. */
export interface Choices {
  microphoneOn: boolean;
  cameraOn: boolean;
  microphone: string;
  camera: string;
  speaker: string;
  /** A guest's name. */
  name: string;
  /** Single keys as shortcuts (WCAG 2.1.4: they can be turned off). */
  shortcuts: boolean;
  /** Whoever speaks is shown large, rather than all alike. */
  speakerView: boolean;
}

export const FIRST_CHOICES: Choices = {
  microphoneOn: true,
  cameraOn: true,
  microphone: "",
  camera: "",
  speaker: "",
  name: "",
  shortcuts: true,
  speakerView: false,
};

export const LONGEST_NAME = 80;

type Box = Pick<Storage, "getItem" | "setItem">;
const KEPT_AS = "meeting.choices";
const DEVICE_KEPT_AS = "meeting.device";

/** What was kept, as far as it is readable. */
export function readChoices(box: Box): Choices {
  let kept: unknown;
  try {
    kept = JSON.parse(box.getItem(KEPT_AS) ?? "{}");
  } catch {
    return FIRST_CHOICES;
  }
  if (typeof kept !== "object" || kept === null) return FIRST_CHOICES;
  const entries = Object.entries(FIRST_CHOICES).map(([key, first]) => {
    const value = (kept as Record<string, unknown>)[key];
    return [key, typeof value === typeof first ? value : first];
  });
  return Object.fromEntries(entries) as Choices;
}

/** Storage may be full or forbidden: then the choice lasts as long as the page. */
export function keepChoices(box: Box, choices: Choices): void {
  try {
    box.setItem(KEPT_AS, JSON.stringify(choices));
  } catch {
    // nothing to be done, nothing lost but comfort
  }
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/**
 * This tab's own name, 8 of [a-z0-9]: so one person may join from two tabs, and a reloaded tab takes its own place again.
 * `box` is the tab's sessionStorage, `random` gives n bytes.
 */
export function deviceOf(box: Box, random: (bytes: number) => Uint8Array): string {
  let kept: string | null = null;
  try {
    kept = box.getItem(DEVICE_KEPT_AS);
  } catch {
    // no storage: a new name each time
  }
  if (kept !== null && /^[a-z0-9]{8}$/.test(kept)) return kept;
  const made = [...random(8)].map((byte) => LETTERS[byte % LETTERS.length]).join("");
  try {
    box.setItem(DEVICE_KEPT_AS, made);
  } catch {
    // as above
  }
  return made;
}
