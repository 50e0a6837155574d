import { later } from "./later.tsx";

/** The editor is as large as all the rest: it comes when it is opened. It may be opened in a call, which goes on. */
const Minutes = later(async () => (await import("../minutes/index.ts")).Minutes, { mayReload: false });

export function MinutesPanel({ code }: { code: string }) {
  return <Minutes meetingCode={code} />;
}
