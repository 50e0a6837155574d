import { expect, test } from "vitest";
import { Ledger } from "./ledger.ts";

const step1 = new Uint8Array([0, 0, 1, 0]);
const step2 = new Uint8Array([0, 1, 2, 0, 0]);
const update = new Uint8Array([0, 2, 2, 0, 0]);
const caret = new Uint8Array([1, 1, 0]);

function connected(): Ledger {
  const ledger = new Ledger();
  ledger.opened();
  ledger.sent(step1);
  ledger.sent(step2);
  ledger.durable(1);
  return ledger;
}

test("nothing is unsaved before anything was written", () => {
  expect(new Ledger().unsaved.get()).toBe(false);
  expect(connected().unsaved.get()).toBe(false);
});

test("an edit is saved when the hub has counted its message, not before", () => {
  const ledger = connected();
  ledger.edited();
  ledger.sent(update);
  ledger.sent(caret);
  ledger.durable(1);
  expect(ledger.unsaved.get()).toBe(true);
  ledger.durable(2);
  expect(ledger.unsaved.get()).toBe(false);
});

test("of several edits the last one counts", () => {
  const ledger = connected();
  for (let count = 0; count < 3; count += 1) {
    ledger.edited();
    ledger.sent(update);
  }
  ledger.durable(3);
  expect(ledger.unsaved.get()).toBe(true);
  ledger.durable(4);
  expect(ledger.unsaved.get()).toBe(false);
});

test("edits made offline are saved by the next connection's step 2", () => {
  const ledger = connected();
  ledger.edited();
  ledger.opened();
  ledger.sent(step1);
  ledger.durable(0);
  expect(ledger.unsaved.get()).toBe(true);
  ledger.sent(step2);
  ledger.durable(0);
  expect(ledger.unsaved.get()).toBe(true);
  ledger.durable(1);
  expect(ledger.unsaved.get()).toBe(false);
});

test("an edit sent before step 2 is not saved by its own count alone", () => {
  const ledger = new Ledger();
  ledger.edited();
  ledger.opened();
  ledger.sent(step1);
  ledger.sent(update);
  ledger.durable(1);
  expect(ledger.unsaved.get()).toBe(true);
});
