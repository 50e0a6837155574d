/** What minutes are made of. The names are those that the hub renders (apiserver/minutes/render.py). */
import type { Extensions } from "@tiptap/core";
import { Collaboration } from "@tiptap/extension-collaboration";
import { CollaborationCaret } from "@tiptap/extension-collaboration-caret";
import { Image } from "@tiptap/extension-image";
import { TaskItem, TaskList } from "@tiptap/extension-list";
import { Placeholder } from "@tiptap/extensions";
import { StarterKit } from "@tiptap/starter-kit";
import { isFileAddress, isSafeAddress } from "./address.ts";
import type { MinutesConnection } from "./connection.ts";

/** Dark enough for white letters (WCAG 2.2, 1.4.3), on either background. */
const COLOURS = ["#b3261e", "#8a4b00", "#3d6b00", "#00695c", "#0b5cad", "#4a4fc4", "#8e24aa", "#ad1457"] as const;

export function colourOf(client: number): string {
  return COLOURS[client % COLOURS.length] ?? COLOURS[0];
}

/** Pictures are files of this meeting; anything else a page or a participant offers is not fetched. */
const Picture = Image.extend({
  parseHTML() {
    return [{ tag: 'img[src^="/files/"]' }];
  },
  renderHTML({ HTMLAttributes }) {
    const { src, alt } = HTMLAttributes as { src?: unknown; alt?: unknown };
    const words = typeof alt === "string" ? alt : "";
    return ["img", isFileAddress(src) ? { src, alt: words, loading: "lazy" } : { alt: words }];
  },
});

/** Built by hand and from texts only: name and colour come from others. */
function renderCaret(user: Record<string, unknown>): HTMLElement {
  const colour = COLOURS.find((known) => known === user["color"]) ?? COLOURS[0];
  const caret = document.createElement("span");
  caret.className = "minutes-caret";
  caret.style.borderColor = colour;
  const label = document.createElement("span");
  label.className = "minutes-caret-name";
  label.style.backgroundColor = colour;
  label.textContent = typeof user["name"] === "string" ? user["name"].slice(0, 60) : "";
  caret.append(label);
  return caret;
}

export function minutesExtensions(connection: MinutesConnection, words: { placeholder: string; taskDone: string }): Extensions {
  return [
    StarterKit.configure({
      undoRedo: false, // Collaboration brings one that takes back only one's own edits
      heading: { levels: [1, 2, 3] },
      link: {
        openOnClick: "whenNotEditable",
        defaultProtocol: "https",
        isAllowedUri: (address) => isSafeAddress(address),
        HTMLAttributes: { target: "_blank", rel: "noopener noreferrer nofollow" },
      },
    }),
    TaskList,
    TaskItem.configure({ nested: true, a11y: { checkboxLabel: () => words.taskDone } }),
    Picture,
    Placeholder.configure({ placeholder: words.placeholder }),
    Collaboration.configure({ document: connection.doc, field: "default" }),
    CollaborationCaret.configure({
      provider: connection.provider,
      user: { color: colourOf(connection.doc.clientID) },
      render: renderCaret,
      selectionRender: () => ({ class: "minutes-selection" }),
    }),
  ];
}
