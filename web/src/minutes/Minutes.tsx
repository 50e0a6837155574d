import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Loading } from "../ui/Loading.tsx";
import { ProblemAlert } from "../ui/ProblemAlert.tsx";
import { MinutesConnection } from "./connection.ts";
import { Editor } from "./Editor.tsx";
import { fetchMinutes } from "./files.ts";

/** The minutes of a meeting, written together. */
export function Minutes({ meetingCode }: { meetingCode: string }) {
  const about = useQuery({
    queryKey: ["minutes", meetingCode],
    queryFn: () => fetchMinutes(meetingCode),
    // Only who may write is wanted of it; the text comes by the connection.
    staleTime: Infinity,
    gcTime: 0,
  });
  const connection = useConnection(meetingCode, about.isSuccess);
  if (about.isError) return <ProblemAlert error={about.error} />;
  if (!about.isSuccess || connection === null) return <Loading />;
  return <Editor code={meetingCode} connection={connection} mayWrite={about.data.may_write} />;
}

/** Open while the component is there; leaving the page with something unsaved asks first. */
function useConnection(code: string, isWanted: boolean): MinutesConnection | null {
  const [connection, setConnection] = useState<MinutesConnection | null>(null);
  useEffect(() => {
    if (!isWanted) return;
    const made = new MinutesConnection(code, window.location);
    const ask = (event: BeforeUnloadEvent) => {
      if (made.unsaved.get()) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    made.connect();
    // eslint-disable-next-line react-hooks/set-state-in-effect -- a connection is opened and ended with this component, not while drawing
    setConnection(made);
    return () => {
      window.removeEventListener("beforeunload", ask);
      setConnection(null);
      made.destroy();
    };
  }, [code, isWanted]);
  return connection;
}
