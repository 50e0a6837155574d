/** One key, one action; never while somebody types. */
export const SHORTCUTS = { m: "microphone", v: "camera", s: "screen", c: "chat", p: "participants", n: "minutes", h: "hand", l: "view" } as const;
export type Action = (typeof SHORTCUTS)[keyof typeof SHORTCUTS];

export interface Keystroke {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  defaultPrevented: boolean;
  /** The focus is where keys mean text or a choice. */
  typing: boolean;
}

export function actionFor(stroke: Keystroke): Action | null {
  if (stroke.typing || stroke.repeat || stroke.defaultPrevented) return null;
  if (stroke.ctrlKey || stroke.metaKey || stroke.altKey) return null;
  const key = stroke.key.toLowerCase();
  return key in SHORTCUTS ? SHORTCUTS[key as keyof typeof SHORTCUTS] : null;
}

/** Whether keys pressed in this element are meant for it: text fields, lists of choices, menus, the minutes' editor. */
export function takesKeys(element: { closest: (selector: string) => unknown } | null): boolean {
  const selector =
    "input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable]:not([contenteditable=false]), [role=textbox], [role=menu], [role=listbox], [role=dialog]";
  return element !== null && element.closest(selector) !== null;
}
