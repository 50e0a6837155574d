import { useEffect, useRef, useState } from "react";
import { mediaProblem, type MediaProblem } from "../core/media.ts";

export interface Preview {
  track: MediaStreamTrack | null;
  problem: MediaProblem | null;
  /** Hands over the track, also one whose opening is still under way: from now on the caller stops it. */
  take: () => Promise<MediaStreamTrack | null>;
}

const NOTHING: Promise<MediaStreamTrack | null> = Promise.resolve(null);

const WANTED: Record<"audio" | "video", MediaTrackConstraints> = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
};

async function open(kind: "audio" | "video", device: string): Promise<MediaStreamTrack | null> {
  if (!("mediaDevices" in navigator)) throw Object.assign(new Error("no secure context"), { name: "InsecureContext" });
  const constraints = { ...WANTED[kind], ...(device === "" ? {} : { deviceId: { ideal: device } }) };
  const stream = await navigator.mediaDevices.getUserMedia({ [kind]: constraints });
  return stream.getTracks()[0] ?? null;
}

/** One device, open while it is wanted; closed when it is not, or when the page goes, unless it was taken. */
export function usePreviewTrack(kind: "audio" | "video", wanted: boolean, device: string, onOpen: () => void): Preview {
  const [track, setTrack] = useState<MediaStreamTrack | null>(null);
  const [problem, setProblem] = useState<MediaProblem | null>(null);
  const opening = useRef(NOTHING);
  const taken = useRef<Promise<MediaStreamTrack | null> | null>(null);
  const opened = useRef(onOpen);
  useEffect(() => {
    opened.current = onOpen;
  });

  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    const mine = open(kind, device).catch((error: unknown) => {
      if (!gone) setProblem(mediaProblem(error));
      return null;
    });
    opening.current = mine;
    void mine.then((found) => {
      if (gone || found === null) return;
      setTrack(found);
      setProblem(null);
      opened.current();
    });
    return () => {
      gone = true;
      opening.current = NOTHING;
      void mine.then((found) => {
        if (mine !== taken.current) found?.stop();
      });
      setTrack(null);
      setProblem(null);
    };
  }, [kind, wanted, device]);

  return {
    track,
    problem,
    take: () => {
      taken.current = opening.current;
      return opening.current;
    },
  };
}
