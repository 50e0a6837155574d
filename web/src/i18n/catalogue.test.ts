import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const HERE = import.meta.dirname;
const PLURAL = /_(zero|one|two|few|many|other)$/;

function flat(value: unknown, path = ""): Map<string, string> {
  if (typeof value === "string") return new Map([[path, value]]);
  return new Map(Object.entries(value as object).flatMap(([key, inner]) => [...flat(inner, path === "" ? key : `${path}.${key}`)]));
}

function catalogue(language: string): Map<string, string> {
  return flat(JSON.parse(readFileSync(join(HERE, `${language}.json`), "utf8")));
}

const blanks = (text: string) => [...text.matchAll(/\{\{\s*(\w+)[^}]*\}\}/g)].map((match) => match[1]).sort();
const english = catalogue("en");
const others = readdirSync(HERE)
  .filter((file) => file.endsWith(".json") && file !== "en.json")
  .map((file) => file.replace(".json", ""));

describe.each(others)("the catalogue %s", (language) => {
  const theirs = catalogue(language);
  const bare = (keys: Iterable<string>) => [...new Set([...keys].map((key) => key.replace(PLURAL, "")))].sort();

  test("has the keys of the English one, no more and no fewer", () => {
    expect(bare(theirs.keys())).toEqual(bare(english.keys()));
  });

  test("has a text for every plural form of its language", () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const key of english.keys()) {
      if (!PLURAL.test(key)) continue;
      for (const form of forms) expect(theirs.has(key.replace(PLURAL, `_${form}`)), `${key} → ${form}`).toBe(true);
    }
  });

  test("leaves the same blanks in each text", () => {
    for (const [key, text] of theirs) expect(blanks(text), key).toEqual(blanks(english.get(key) ?? ""));
  });

  test("has no empty text", () => {
    expect([...theirs].filter(([, text]) => text.trim() === "")).toEqual([]);
  });
});

test("every text of the catalogue is used somewhere", () => {
  const sources = readdirSync(join(HERE, ".."), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file) && !file.includes(".test."))
    .map((file) => readFileSync(join(HERE, "..", file), "utf8"))
    .join("\n");
  const unused = [...english.keys()].filter((key) => {
    const bare = key.replace(PLURAL, "");
    const [group = "", ...rest] = bare.split(".");
    // `t("a.b")`, or a template as t(`a.${…}`) with the last part as a word somewhere.
    const last = rest.at(-1) ?? "";
    return !sources.includes(`"${bare}"`) && !(sources.includes(`\`${[group, ...rest.slice(0, -1)].join(".")}.\${`) && sources.includes(last));
  });
  expect(unused).toEqual([]);
});
