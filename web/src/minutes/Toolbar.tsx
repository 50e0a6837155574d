import { ActionIcon, Button, Divider, FileButton, Group, Popover, TextInput, Tooltip } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconBold,
  IconH1,
  IconH2,
  IconItalic,
  IconLink,
  IconList,
  IconListCheck,
  IconListNumbers,
  IconPaperclip,
  type Icon,
} from "@tabler/icons-react";
import type { Editor } from "@tiptap/core";
import { useEditorState } from "@tiptap/react";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { completeAddress } from "./address.ts";

interface Props {
  editor: Editor;
  disabled: boolean;
  onFiles: (files: File[]) => void;
}

export function Toolbar({ editor, disabled, onFiles }: Props) {
  const { t } = useTranslation();
  const now = useEditorState({
    editor,
    selector: ({ editor }) => ({
      bold: editor.isActive("bold"),
      italic: editor.isActive("italic"),
      heading1: editor.isActive("heading", { level: 1 }),
      heading2: editor.isActive("heading", { level: 2 }),
      bulletList: editor.isActive("bulletList"),
      orderedList: editor.isActive("orderedList"),
      taskList: editor.isActive("taskList"),
      canUndo: editor.can().undo(),
      canRedo: editor.can().redo(),
    }),
  });
  const run = () => editor.chain().focus();
  return (
    <Group gap={4} role="group" aria-label={t("minutes.tools")} className="minutes-tools">
      <Tool label={t("minutes.bold")} icon={IconBold} pressed={now.bold} disabled={disabled} onClick={() => run().toggleBold().run()} />
      <Tool label={t("minutes.italic")} icon={IconItalic} pressed={now.italic} disabled={disabled} onClick={() => run().toggleItalic().run()} />
      <Divider orientation="vertical" />
      <Tool
        label={t("minutes.heading1")}
        icon={IconH1}
        pressed={now.heading1}
        disabled={disabled}
        onClick={() => run().toggleHeading({ level: 1 }).run()}
      />
      <Tool
        label={t("minutes.heading2")}
        icon={IconH2}
        pressed={now.heading2}
        disabled={disabled}
        onClick={() => run().toggleHeading({ level: 2 }).run()}
      />
      <Divider orientation="vertical" />
      <Tool
        label={t("minutes.bulletList")}
        icon={IconList}
        pressed={now.bulletList}
        disabled={disabled}
        onClick={() => run().toggleBulletList().run()}
      />
      <Tool
        label={t("minutes.orderedList")}
        icon={IconListNumbers}
        pressed={now.orderedList}
        disabled={disabled}
        onClick={() => run().toggleOrderedList().run()}
      />
      <Tool
        label={t("minutes.taskList")}
        icon={IconListCheck}
        pressed={now.taskList}
        disabled={disabled}
        onClick={() => run().toggleTaskList().run()}
      />
      <Divider orientation="vertical" />
      <LinkTool editor={editor} disabled={disabled} />
      <FileButton multiple onChange={onFiles} disabled={disabled}>
        {(button) => <Tool label={t("minutes.attach")} icon={IconPaperclip} disabled={disabled} onClick={button.onClick} />}
      </FileButton>
      <Divider orientation="vertical" />
      <Tool label={t("minutes.undo")} icon={IconArrowBackUp} disabled={disabled || !now.canUndo} onClick={() => run().undo().run()} />
      <Tool label={t("minutes.redo")} icon={IconArrowForwardUp} disabled={disabled || !now.canRedo} onClick={() => run().redo().run()} />
    </Group>
  );
}

interface ToolProps {
  label: string;
  icon: Icon;
  disabled: boolean;
  onClick: () => void;
  pressed?: boolean;
}

function Tool({ label, icon: Picture, disabled, onClick, pressed }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant={pressed ? "light" : "subtle"}
        size={32}
        aria-label={label}
        {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
        disabled={disabled}
        onClick={onClick}
        onMouseDown={(event) => event.preventDefault() /* the text keeps its selection */}
      >
        <Picture size={18} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}

function LinkTool({ editor, disabled }: { editor: Editor; disabled: boolean }): ReactNode {
  const { t } = useTranslation();
  const [typed, setTyped] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);

  function open(): void {
    const href: unknown = editor.getAttributes("link")["href"];
    setTyped(typeof href === "string" ? href : "");
    setWrong(false);
  }

  function done(): void {
    const address = completeAddress(typed ?? "");
    if (typed?.trim() === "") {
      editor.chain().focus().extendMarkRange("link").unsetLink().run();
    } else if (address === null) {
      setWrong(true);
      return;
    } else if (editor.state.selection.empty && !editor.isActive("link")) {
      editor.chain().focus().insertContent({ type: "text", text: typed?.trim() ?? "", marks: [{ type: "link", attrs: { href: address } }] }).run();
    } else {
      editor.chain().focus().extendMarkRange("link").setLink({ href: address }).run();
    }
    setTyped(null);
  }

  return (
    <Popover opened={typed !== null} onChange={(opened) => (opened ? undefined : setTyped(null))} trapFocus withinPortal width={280}>
      <Popover.Target>
        <div>
          <Tool label={t("minutes.link")} icon={IconLink} disabled={disabled} onClick={open} />
        </div>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            done();
          }}
        >
          <TextInput
            label={t("minutes.address")}
            description={t("minutes.addressHint")}
            value={typed ?? ""}
            error={wrong ? t("minutes.addressWrong") : null}
            onChange={(event) => setTyped(event.currentTarget.value)}
            data-autofocus
          />
          <Button type="submit" size="xs" mt="xs">
            {t("minutes.setLink")}
          </Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
