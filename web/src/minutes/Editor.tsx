import type { Editor as TiptapEditor } from "@tiptap/core";
import { EditorContent, useEditor } from "@tiptap/react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useReadable } from "../ui/useReadable.ts";
import type { MinutesConnection } from "./connection.ts";
import { minutesExtensions } from "./extensions.ts";
import { Status } from "./Status.tsx";
import { Toolbar } from "./Toolbar.tsx";
import { UploadList } from "./UploadList.tsx";
import { useUploads } from "./useUploads.ts";
import "./minutes.css";

interface Props {
  code: string;
  connection: MinutesConnection;
  mayWrite: boolean;
}

export function Editor({ code, connection, mayWrite }: Props) {
  const { t } = useTranslation();
  const { phase } = useReadable(connection.state);
  const uploads = useUploads(code);
  const current = useRef<TiptapEditor | null>(null);
  // Writing goes on while the connection is away: what was written comes with the next one.
  const isEditable = mayWrite && phase !== "closed" && phase !== "connecting";

  function take(files: FileList | null | undefined, position: number | null): boolean {
    const editor = current.current;
    if (editor === null || !files?.length || !editor.isEditable) return false;
    uploads.add(editor, [...files], position ?? editor.state.selection.to);
    return true;
  }

  const editor = useEditor(
    {
      extensions: minutesExtensions(connection, { placeholder: t("minutes.placeholder"), taskDone: t("minutes.taskDone") }),
      editable: false,
      editorProps: {
        attributes: {
          role: "textbox",
          "aria-multiline": "true",
          "aria-label": t("minutes.title"),
          class: "minutes-text",
          // Takes the focus before it takes text: what is typed too early must not reach the meeting's shortcuts.
          tabindex: "0",
        },
        handlePaste: (_view, event) => take(event.clipboardData?.files, null),
        handleDrop: (view, event, _slice, moved) => {
          const at = view.posAtCoords({ left: event.clientX, top: event.clientY });
          return !moved && take(event.dataTransfer?.files, at?.pos ?? null);
        },
      },
    },
    [connection, t],
  );
  useEffect(() => {
    current.current = editor;
    editor.setEditable(isEditable, false);
  }, [editor, isEditable]);

  return (
    <div className="minutes">
      {mayWrite ? (
        <Toolbar
          editor={editor}
          disabled={!isEditable}
          onFiles={(files) => uploads.add(editor, files, editor.state.selection.to)}
        />
      ) : null}
      <EditorContent editor={editor} className="minutes-paper" />
      <UploadList uploads={uploads} />
      <Status connection={connection} mayWrite={mayWrite} />
    </div>
  );
}
