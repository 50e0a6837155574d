import { ActionIcon, Tooltip } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";

interface Props {
  label: string;
  icon: Icon;
  onClick: () => void;
  /** Something is off that others would miss. */
  warn?: boolean;
  /** What the button opens is open. */
  expanded?: boolean;
  disabled?: boolean;
  shortcut?: string;
}

/** The round buttons of a meeting. The name says what a click does, so it needs no pressed state. */
export function RoundButton({ label, icon: Shown, onClick, warn = false, expanded, disabled = false, shortcut }: Props) {
  const on = expanded === true;
  return (
    <Tooltip label={shortcut === undefined ? label : `${label} (${shortcut.toUpperCase()})`} openDelay={400}>
      <ActionIcon
        size="var(--round, 46px)"
        radius="xl"
        variant={warn || on ? "filled" : "default"}
        color={warn ? "red" : "blue"}
        aria-label={label}
        {...(expanded === undefined ? {} : { "aria-expanded": expanded })}
        {...(shortcut === undefined ? {} : { "aria-keyshortcuts": shortcut })}
        disabled={disabled}
        onClick={onClick}
      >
        <Shown size={22} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
