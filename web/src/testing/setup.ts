import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach } from "vitest";
import { startCatalogue } from "../i18n/index.ts";

// What Mantine asks of a browser and jsdom does not have.
window.matchMedia ??= (query: string) =>
  ({
    matches: false,
    media: query,
    onchange: null,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined,
    dispatchEvent: () => false,
  }) as MediaQueryList;

class StillObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
window.ResizeObserver ??= StillObserver;
Element.prototype.scrollIntoView ??= () => undefined;

// A busy machine draws late; a test that waits for nothing waits as long as it may.
configure({ asyncUtilTimeout: 20_000 });

beforeEach(async () => {
  await startCatalogue("en");
});
afterEach(cleanup);
