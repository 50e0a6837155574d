import { ActionIcon, Tooltip } from "@mantine/core";
import { IconLayoutGrid, IconUserSquare } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

interface Props {
  speakerView: boolean;
  onSwitch: () => void;
}

/** All alike, or whoever speaks large: each person's own choice. */
export function ViewSwitch({ speakerView, onSwitch }: Props) {
  const { t } = useTranslation();
  const label = t(speakerView ? "call.gridView" : "call.speakerView");
  const Icon = speakerView ? IconLayoutGrid : IconUserSquare;
  return (
    <Tooltip label={`${label} (L)`} openDelay={500}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} aria-keyshortcuts="l" onClick={onSwitch}>
        <Icon size={20} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
