// A budget for what a person downloads: gzip bytes of the JavaScript and CSS that each page needs at its first visit.
// A page that grows past its budget fails the build; raise a number here only with a reason in the commit's message.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const STATIC = new URL("../../src/meeting/apiserver/static/", import.meta.url).pathname;

/** Kilobytes (gzip) by entry of the manifest, everything it imports statically included. */
const BUDGETS = {
  "index.html": 250,
  "src/home/HomePage.tsx": 290,
  "src/meeting/MeetingPage.tsx": 300,
  "src/meeting/MeetingRoom.tsx": 480,
};

const manifest = JSON.parse(readFileSync(join(STATIC, ".vite/manifest.json"), "utf8"));
const sizes = new Map();

function gzipped(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(join(STATIC, file)), { level: 9 }).length);
  return sizes.get(file);
}

function filesOf(key, seen = new Set()) {
  const chunk = manifest[key];
  if (chunk === undefined || seen.has(key)) return [];
  seen.add(key);
  return [chunk.file, ...(chunk.css ?? []), ...(chunk.imports ?? []).flatMap((next) => filesOf(next, seen))];
}

let failed = false;
for (const [entry, budget] of Object.entries(BUDGETS)) {
  if (manifest[entry] === undefined) {
    console.error(`${entry}: not in the manifest; correct the list of budgets`);
    failed = true;
    continue;
  }
  const files = new Set([...filesOf("index.html"), ...filesOf(entry)]);
  const total = Math.ceil([...files].reduce((sum, file) => sum + gzipped(file), 0) / 1024);
  const over = total > budget;
  failed ||= over;
  console.log(`${over ? "TOO BIG" : "ok"}  ${entry}: ${total} of ${budget} kB gzip`);
}
process.exit(failed ? 1 : 0);
