import { useEffect, useState } from "react";
import { forgetKey, keepKey, keptKey, readKey } from "../core/meetingKey.ts";

export interface HeldKey {
  /** Null: this browser has none. */
  key: string | null;
  /** Null: forget it. */
  hold: (key: string | null) => void;
}

/** The key of a meeting: as its link carries it, or as this browser keeps it. */
export function useMeetingKey(code: string): HeldKey {
  const [key, setKey] = useState(() => takeKey(code));
  useEffect(() => {
    // A link pasted over the address of this page loads nothing: only the part behind the # changes.
    const look = () => setKey(takeKey(code));
    look();
    window.addEventListener("hashchange", look);
    return () => window.removeEventListener("hashchange", look);
  }, [code]);
  return {
    key,
    hold: (next) => {
      if (next === null) forgetKey(window.localStorage, code);
      else keepKey(window.localStorage, code, next);
      setKey(next);
    },
  };
}

/** The address loses the key: addresses are seen, shared and remembered. */
function takeKey(code: string): string | null {
  const { hash, pathname, search } = window.location;
  const carried = hash === "" ? null : readKey(hash);
  if (carried === null) return keptKey(window.localStorage, code);
  keepKey(window.localStorage, code, carried);
  window.history.replaceState(window.history.state, "", pathname + search);
  return carried;
}
