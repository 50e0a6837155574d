/**
 * A place in the text that holds while others write: where a file was dropped is where it appears when its upload is done. A ProseMirror
 * position would not do, as y-tiptap replaces the whole document when others change something.
 */
import type { Editor } from "@tiptap/core";
import { absolutePositionToRelativePosition, relativePositionToAbsolutePosition, ySyncPluginKey } from "@tiptap/y-tiptap";
import type { Kept } from "./files.ts";

export type Place = () => number;

interface SyncState {
  doc: Parameters<typeof relativePositionToAbsolutePosition>[0];
  type: Parameters<typeof relativePositionToAbsolutePosition>[1];
  binding: { mapping: Parameters<typeof relativePositionToAbsolutePosition>[3] } | null;
}

function syncState(editor: Editor): SyncState | null {
  return (ySyncPluginKey.getState(editor.state) as SyncState | undefined) ?? null;
}

/** Remembers `position`; the result says where it has moved to, or the end of the text when it was deleted. */
export function hold(editor: Editor, position: number): Place {
  const at = syncState(editor);
  const relative = at?.binding ? absolutePositionToRelativePosition(position, at.type, at.binding.mapping) : null;
  return () => {
    const now = syncState(editor);
    const found = now?.binding && relative !== null ? relativePositionToAbsolutePosition(now.doc, now.type, relative, now.binding.mapping) : null;
    return Math.min(found ?? editor.state.doc.content.size, editor.state.doc.content.size);
  };
}

/** Puts a file into the text: a picture as itself, all else as a link with its name. */
export function insertFile(editor: Editor, place: Place, file: Kept): void {
  const content = file.type.startsWith("image/")
    ? { type: "image", attrs: { src: file.href, alt: file.name } }
    : [
        { type: "text", text: file.name, marks: [{ type: "link", attrs: { href: file.href } }] },
        { type: "text", text: " " },
      ];
  editor.chain().insertContentAt(place(), content).run();
}
