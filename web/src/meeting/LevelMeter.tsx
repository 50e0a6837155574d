import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { meterShare } from "../core/media.ts";
import classes from "./lobby.module.css";

/** Shows that the microphone hears something. Drawn past React: it changes with every frame. */
export function LevelMeter({ track }: { track: MediaStreamTrack | null }) {
  const { t } = useTranslation();
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (track === null) return;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    const source = context.createMediaStreamSource(new MediaStream([track]));
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    // A context made before the first click may be asleep.
    const wake = () => void context.resume();
    window.addEventListener("pointerdown", wake);
    let frame = 0;
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      bar.current?.style.setProperty("--level", meterShare(samples).toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("pointerdown", wake);
      source.disconnect();
      void context.close();
    };
  }, [track]);
  return <div ref={bar} className={classes["meter"]} role="img" aria-label={t("lobby.level")} />;
}
