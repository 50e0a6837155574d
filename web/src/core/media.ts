/** What can go wrong with a microphone, a camera or a screen, in the terms of the W3C's getUserMedia. */
export type MediaProblem = "denied" | "missing" | "busy" | "insecure" | "failed";

/** Media Capture and Streams §10.3.1: the names of the errors. */
export function mediaProblem(error: unknown): MediaProblem {
  const name = typeof error === "object" && error !== null && "name" in error ? String(error.name) : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "InsecureContext":
      return "insecure";
    default:
      return "failed";
  }
}

/** The loudness of samples in [-1, 1] as a share of a meter, 0 to 1: silence at -60 dBFS, full at 0. */
export function meterShare(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms === 0) return 0;
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60));
}
