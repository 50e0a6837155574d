import { Pill, PillsInput } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { parseAddresses } from "../core/addresses.ts";

interface Props {
  label: string;
  description: string;
  error: ReactNode;
  addresses: string[];
  onAddresses: (addresses: string[]) => void;
  /** What is being typed and is no chip yet. */
  typed: string;
  onTyped: (text: string) => void;
}

const SEPARATOR = /[,;\n]/;

/** E-mail addresses as chips: Enter, comma or leaving the field makes one; a pasted list makes many. */
export function AddressField({ label, description, error, addresses, onAddresses, typed, onTyped }: Props) {
  const { t } = useTranslation();

  function take(text: string): void {
    onTyped("");
    if (text.trim() !== "") onAddresses(addressesOf([...addresses, text]));
  }

  return (
    <PillsInput label={label} description={description} error={error}>
      <Pill.Group>
        {addresses.map((address) => (
          <Pill
            key={address}
            withRemoveButton
            removeButtonProps={{ "aria-label": t("schedule.remove", { address }), "aria-hidden": false, tabIndex: 0 }}
            onRemove={() => onAddresses(addresses.filter((other) => other !== address))}
          >
            {address}
          </Pill>
        ))}
        <PillsInput.Field
          inputMode="email"
          autoComplete="off"
          value={typed}
          onChange={(event) => {
            const text = event.currentTarget.value;
            if (SEPARATOR.test(text)) take(text);
            else onTyped(text);
          }}
          onPaste={(event) => {
            const text = event.clipboardData.getData("text");
            if (!SEPARATOR.test(text)) return;
            event.preventDefault();
            take(typed + text);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && typed.trim() !== "") {
              event.preventDefault();
              take(typed);
            } else if (event.key === "Backspace" && typed === "") onAddresses(addresses.slice(0, -1));
          }}
          onBlur={() => take(typed)}
        />
      </Pill.Group>
    </PillsInput>
  );
}

/** One entry for each address, the unreadable ones last. */
export function addressesOf(entries: string[]): string[] {
  const { good, bad } = parseAddresses(entries.join("\n"));
  return [...good, ...bad];
}
