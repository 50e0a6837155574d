import { lazy, Suspense } from "react";
import { Loading } from "./Loading.tsx";

// The editor is as large as all the rest: it comes when it is opened.
const Minutes = lazy(async () => ({ default: (await import("../minutes/index.ts")).Minutes }));

export function MinutesPanel({ code }: { code: string }) {
  return (
    <Suspense fallback={<Loading />}>
      <Minutes meetingCode={code} />
    </Suspense>
  );
}
