import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { describe, expect, test } from "vitest";
import { readKey } from "../core/meetingKey.ts";
import { accessible, show } from "../testing/show.tsx";
import { KeyEntry } from "./KeyEntry.tsx";

const KEY = "00000-00000-00000-00000-00000";

function Entry({ told = true, owner = false, supported = true, first = null, onHold }: { told?: boolean; owner?: boolean; supported?: boolean; first?: string | null; onHold?: (key: string | null) => void }) {
  const [key, setKey] = useState<string | null>(first);
  const hold = (next: string | null) => {
    setKey(next);
    onHold?.(next);
  };
  return <KeyEntry held={{ key, hold }} told={told} owner={owner} supported={supported} typed="" wrong={false} onTyped={() => undefined} />;
}

describe("the key at the device check", () => {
  test("is not spoken of where nothing is encrypted", () => {
    show(<Entry told={false} />);
    expect(screen.queryByText(/encrypt/i)).toBeNull();
  });

  test("is asked for where this browser has none, and the server's limits are told", async () => {
    show(<Entry />);
    expect(screen.getByRole("textbox", { name: "Key of the meeting" })).toBeVisible();
    expect(screen.getByText(/can read the minutes/)).toBeVisible();
    expect(screen.queryByRole("button", { name: "Make a new key" })).toBeNull();
    await accessible();
  });

  test("is not asked for where this browser has it", () => {
    show(<Entry first={KEY} />);
    expect(screen.queryByRole("textbox")).toBeNull();
    expect(screen.getByText("End-to-end encrypted")).toBeVisible();
  });

  test("is made anew by the owner alone", async () => {
    const held: (string | null)[] = [];
    show(<Entry owner onHold={(key) => held.push(key)} />);
    await userEvent.click(screen.getByRole("button", { name: "Make a new key" }));
    expect(held).toHaveLength(1);
    expect(readKey(held[0] ?? "")).toBe(held[0]);
    expect(screen.queryByRole("textbox")).toBeNull();
  });

  test("is of no use in a browser that cannot encrypt", () => {
    show(<Entry supported={false} />);
    expect(screen.getByRole("alert")).toHaveTextContent("This browser cannot encrypt end to end.");
    expect(screen.queryByRole("textbox")).toBeNull();
  });

  test("stays in force though the server denies the encryption, until its person says otherwise", async () => {
    const held: (string | null)[] = [];
    show(<Entry told={false} first={KEY} onHold={(key) => held.push(key)} />);
    expect(screen.getByRole("alert")).toHaveTextContent("the server says that it is not end-to-end encrypted");
    await userEvent.click(screen.getByRole("button", { name: "Go on without encryption" }));
    expect(held).toEqual([null]);
    expect(screen.queryByRole("alert")).toBeNull();
  });
});
