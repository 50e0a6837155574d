import { expect, test } from "vitest";
import { completeAddress, isFileAddress, isSafeAddress } from "./address.ts";

test.each(["https://a.example/x?y#z", "http://10.0.0.1:80/", "mailto:a@b.example", "tel:+4930123", `/files/${"a".repeat(32)}`])(
  "%s may stand in minutes",
  (address) => expect(isSafeAddress(address)).toBe(true),
);

test.each(["javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "/files/../api", "//evil.example", "file:///etc", ""])(
  "%j may not",
  (address) => expect(isSafeAddress(address)).toBe(false),
);

test("only our own files are pictures", () => {
  expect(isFileAddress(`/files/${"0".repeat(32)}`)).toBe(true);
  expect(isFileAddress("https://evil.example/tracker.png")).toBe(false);
  expect(isFileAddress(null)).toBe(false);
});

test("a typed address is completed", () => {
  expect(completeAddress(" example.com/x ")).toBe("https://example.com/x");
  expect(completeAddress("ada@example.com")).toBe("mailto:ada@example.com");
  expect(completeAddress("example.com:8080")).toBe("https://example.com:8080");
  expect(completeAddress("javascript:alert(1)")).toBe(null);
  expect(completeAddress("just words")).toBe(null);
});
