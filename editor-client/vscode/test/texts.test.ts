import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { nested } from "../src/nested";

const json = (file: string): Record<string, string> => JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;

test("every text of package.json exists in English and Chinese, and no other", () => {
  const used = [...readFileSync("package.json", "utf8").matchAll(/"%([^%]+)%"/g)].map((match) => match[1]);
  const wanted = [...new Set(used)].sort();
  assert.deepEqual(Object.keys(json("package.nls.json")).sort(), wanted);
  assert.deepEqual(Object.keys(json("package.nls.zh-cn.json")).sort(), wanted);
});

test("every text of the code has its Chinese, with the same places for values", () => {
  const sources = readdirSync("src").filter((name) => name.endsWith(".ts")).map((name) => readFileSync(`src/${name}`, "utf8"));
  const used = new Set(sources.flatMap((text) => [...text.matchAll(/l10n\.t\("([^"]+)"/g)].map((match) => match[1] ?? "")));
  const chinese = json("l10n/bundle.l10n.zh-cn.json");
  assert.deepEqual(Object.keys(chinese).sort(), [...used].sort());
  const places = (text: string): string[] => (text.match(/\{\d\}/g) ?? []).sort();
  Object.entries(chinese).forEach(([english, text]) => { assert.deepEqual(places(text), places(english), english); });
});

test("settings are sent as nested objects", () => {
  assert.deepEqual(nested([["hints.preset", "off"], ["hints.layers", false], ["interpreter", "/p"]]), { hints: { preset: "off", layers: false }, interpreter: "/p" });
});
