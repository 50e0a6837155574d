import { expect, test } from "vitest";
import { mediaProblem, meterShare } from "./media.ts";

test("a refused device has a name people understand", () => {
  const named = (name: string) => mediaProblem(Object.assign(new Error(), { name }));
  expect(named("NotAllowedError")).toBe("denied");
  expect(named("OverconstrainedError")).toBe("missing");
  expect(named("NotReadableError")).toBe("busy");
  expect(named("Whatever")).toBe("failed");
  expect(mediaProblem(null)).toBe("failed");
});

test("the meter is empty at silence and full at full scale", () => {
  expect(meterShare(new Float32Array(128))).toBe(0);
  expect(meterShare(new Float32Array(128).fill(1))).toBe(1);
  expect(meterShare(new Float32Array(128).fill(0.001))).toBeCloseTo(0);
  expect(meterShare(new Float32Array(128).fill(0.1))).toBeCloseTo(2 / 3);
  expect(meterShare(new Float32Array(0))).toBe(0);
});
