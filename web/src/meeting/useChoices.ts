import { useState } from "react";
import { keepChoices, readChoices, type Choices } from "../core/choices.ts";

/** The choices of the device check, kept at each change. */
export function useChoices(): [Choices, (change: Partial<Choices>) => void] {
  const [choices, setChoices] = useState(() => readChoices(window.localStorage));
  return [
    choices,
    (change) => {
      setChoices((old) => {
        const now = { ...old, ...change };
        keepChoices(window.localStorage, now);
        return now;
      });
    },
  ];
}
