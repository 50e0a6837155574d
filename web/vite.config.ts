import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { fakeHub } from "./dev/hub.ts";

// `npm run dev` talks to the small hub of dev/; `MEETING_HUB=http://localhost:8080 npm run dev` to a real one.
const hub = process.env["MEETING_HUB"];

export default defineConfig(({ command }) => ({
  plugins: [react(), ...(command === "serve" && !hub && !process.env["VITEST"] ? [fakeHub()] : [])],
  build: {
    outDir: "../src/meeting/apiserver/static",
    emptyOutDir: true,
    target: "es2023",
    // The first with light-dark(): rewritten for older ones it would not follow the person's system.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    manifest: true,
    sourcemap: false,
    // Content-Security-Policy: everything comes from our own origin as a file, nothing as a data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: {
    host: "127.0.0.1",
    ...(hub
      ? {
          proxy: {
            "/api": { target: hub, ws: true, headers: { origin: hub } },
            "/files": { target: hub },
            "/mailbox": { target: hub },
          },
        }
      : {}),
  },
  test: {
    restoreMocks: true,
    projects: [
      { extends: true, test: { name: "core", environment: "node", include: ["src/**/*.test.ts"] } },
      {
        extends: true,
        // A generous bound for a busy machine: looking elements up by role is slow without a browser.
        test: { name: "pages", environment: "jsdom", include: ["src/**/*.test.tsx"], setupFiles: ["src/testing/setup.ts"], testTimeout: 30_000 },
      },
    ],
  },
}));
