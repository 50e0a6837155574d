// Looks at every page in Debian's chromium, wide and narrow, light and dark: writes pictures, and fails where axe finds
// something serious or critical. `node dev/look.mjs <folder> [address of a running page]`; without an address it starts the dev server.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const folder = process.argv[2] ?? "look";
mkdirSync(folder, { recursive: true });
const server = process.argv[3] === undefined ? await createServer({ server: { port: 0, hmr: false, watch: null } }) : null;
await server?.listen();
const base = process.argv[3] ?? server.resolvedUrls.local[0].replace(/\/$/, "");
const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

const profile = mkdtempSync(join(tmpdir(), "look-"));
const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const FAKES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--auto-select-desktop-capture-source=Entire screen"];
let failed = 0;

async function look(page, name, whole = false) {
  await page.waitForTimeout(400); // let transitions end: this is a picture, not a test
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: whole });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes, help } of violations) {
    const bad = impact === "serious" || impact === "critical";
    failed += bad ? 1 : 0;
    console.log(`${name}: ${bad ? "FAIL " : ""}${impact} ${id}: ${help}\n    ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)}\n      ${node.failureSummary.split("\n")[1]?.trim() ?? ""}`).join("\n    ")}`);
  }
}

async function walk(page, tag) {
  const shot = (name) => look(page, `${name}-${tag}`);
  await page.goto(`${base}/sign-in`, { timeout: 120_000 }); // a cold dev server bundles first
  await page.getByRole("textbox", { name: "E-mail address" }).fill("ada@example.com");
  await shot("1-sign-in");
  await page.getByRole("button", { name: "Send code" }).click();
  await page.getByRole("textbox", { name: "Code" }).fill("999 999");
  await page.getByText(/tries left/).waitFor();
  await shot("2-code");
  await page.getByRole("textbox", { name: "Code" }).fill("123 456");
  await page.getByRole("heading", { name: "My meetings" }).waitFor();
  await page.getByText("Weekly planning").waitFor();
  await shot("3-home");
  await page.getByRole("button", { name: "Schedule" }).click();
  await page.getByRole("textbox", { name: "Invite" }).fill("grace@example.com, nobody,");
  await page.getByRole("button", { name: "Schedule meeting" }).click();
  await page.getByText("Give the meeting a title.").waitFor();
  await shot("4-schedule");
  await page.getByRole("button", { name: "Options" }).click();
  await page.getByRole("checkbox", { name: /lobby/i }).scrollIntoViewIfNeeded();
  await shot("4-schedule-options");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "More for Weekly planning" }).click();
  await page.getByRole("menuitem", { name: "Change" }).click();
  await page.getByRole("radio", { name: "All of the series" }).click();
  await shot("4-change-series");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Calendar and reminders" }).click();
  await page.getByRole("button", { name: "Make the address" }).click();
  await page.getByRole("button", { name: "New address" }).waitFor();
  await shot("4-calendar");
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "Past" }).click();
  await page.getByText("Kick-off").waitFor();
  await shot("5-past");
  await page.goto(`${base}/account`);
  await page.getByText("Ada's laptop").waitFor();
  await look(page, `5-account-${tag}`, true);
  for (const tab of ["", "people", "mails", "usage", "audit", "webhooks", "settings"]) {
    await page.goto(`${base}/admin/${tab}`);
    await page.getByRole("tabpanel").getByRole(tab === "" || tab === "settings" || tab === "webhooks" ? "heading" : "table").first().waitFor();
    await look(page, `5-admin-${tab || "overview"}-${tag}`, true);
  }
  await page.goto(`${base}/r?answer=accepted#token`);
  await page.getByRole("button", { name: "Maybe" }).waitFor();
  await shot("6-reply");
  await page.goto(`${base}/nothing/here`);
  await page.getByRole("heading").waitFor();
  await shot("6-not-found");
  await page.goto(`${base}/m/abc-defg-hij?people=${tag.includes("wide") ? 9 : 4}`);
  await page.getByRole("button", { name: "Join now" }).waitFor();
  await page.waitForTimeout(800);
  await shot("7-lobby");
  await page.getByRole("button", { name: "Join now" }).click();
  await page.getByText(/Trying again in|Joining/).first().waitFor();
  await shot("8-waiting");
  await page.getByRole("button", { name: "Leave" }).waitFor({ timeout: 15_000 });
  await page.waitForTimeout(1500);
  await shot("9-call");
  await page.getByRole("button", { name: "Show whoever speaks large" }).click();
  await shot("9-speaker-view");
  await page.getByRole("button", { name: "Show everybody alike" }).click();
  await page.getByRole("button", { name: "React" }).click();
  await page.getByRole("button", { name: "Applause" }).click();
  await shot("9-reaction");
  await page.keyboard.press("Escape");
  for (const panel of ["Chat", "Participants", "Minutes"]) {
    await page.getByRole("button", { name: panel === "Participants" ? /^Participants/ : panel, exact: true }).click();
    if (panel === "Participants") {
      await page.getByRole("button", { name: /^More for/ }).nth(1).click();
      await shot("10-person");
      await page.keyboard.press("Escape");
    }
    if (panel === "Chat") {
      await page.getByRole("textbox", { name: "Write a message" }).fill("Hello, the plan is at https://example.org/plan.");
      await page.keyboard.press("Enter");
      await page.getByText("Hello, the plan").first().waitFor();
    }
    await shot(`10-${panel.toLowerCase()}`);
    await page.getByRole("button", { name: `Close: ${panel}` }).click();
  }
  await page.locator("[data-participant-identity]").nth(2).hover();
  await page.getByRole("button", { name: /^Enlarge/ }).nth(1).click();
  await shot("11-enlarged");
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("menuitem", { name: "Leave the meeting" }).click();
  await page.getByRole("heading", { name: "You left the meeting" }).waitFor();
  await shot("12-left");
  await page.goto(`${base}/m/abc-seal-edd`);
  await page.getByRole("button", { name: "Join now" }).click();
  await page.getByText("This is not a key.").waitFor();
  await shot("13-encrypted-lobby");
  await page.getByRole("button", { name: "Make a new key" }).click();
  await page.getByRole("button", { name: "Join now" }).click();
  await page.getByRole("button", { name: "Leave" }).waitFor({ timeout: 15_000 });
  await page.getByRole("button", { name: /^Participants/ }).click();
  await page.getByRole("button", { name: "Copy link with key" }).waitFor();
  await shot("13-encrypted-call");
  await page.goto(`${base}/m/abc-lobb-yyy`);
  await page.getByRole("button", { name: "Join now" }).click();
  await page.getByRole("textbox", { name: "Passcode" }).waitFor();
  await shot("13-at-the-door");
  await page.goto(`${base}/m/abc-defg-hij/attendance`);
  await page.getByRole("table", { name: "Attendance" }).waitFor();
  await shot("14-attendance");
}

for (const [tag, viewport, colorScheme] of [
  ["wide-light", { width: 1280, height: 800 }, "light"],
  ["wide-dark", { width: 1280, height: 800 }, "dark"],
  ["phone-light", { width: 390, height: 800 }, "light"],
  ["phone-dark", { width: 390, height: 800 }, "dark"],
]) {
  const context = await chromium.launchPersistentContext(join(profile, tag), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: false,
    args: [...FLAGS, ...FAKES],
    viewport,
    colorScheme,
    locale: "en-GB",
    reducedMotion: "reduce",
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => console.log(`${tag}: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && console.log(`${tag}: ${message.text()}`));
  try {
    await walk(page, tag);
  } catch (error) {
    failed += 1;
    console.log(`${tag}: ${error.message}`);
    await page.screenshot({ path: join(folder, `stopped-${tag}.png`) });
  }
  await context.close();
}
await server?.close();
rmSync(profile, { recursive: true, force: true });
console.log(failed === 0 ? "nothing serious" : `${failed} serious`);
process.exit(failed === 0 ? 0 : 1);
