import assert from "node:assert/strict";
import { test } from "node:test";
import { bar, count, percent, scheme, share, size } from "../src/format";

test("sizes have three significant digits and decimal units", () => {
  const cases: [number | null, string][] = [[0, "0 B"], [999, "999 B"], [999.6, "1.00 KB"], [15_400, "15.4 KB"], [46_080_000, "46.1 MB"], [1_234_567_890, "1.23 GB"], [null, "?"]];
  cases.forEach(([bytes, text]) => { assert.equal(size(bytes), text); });
  assert.equal(count(18_600_000), "18.6M");
  assert.equal(count(90), "90");
});

test("unknown is said, never zero", () => {
  assert.equal(percent(null), "?");
  assert.equal(percent(0), "0%");
  assert.equal(percent(0.000001), "<0.001%");
  assert.equal(percent(0.00593), "0.593%");
  assert.equal(percent(0.1234), "12.3%");
});

test("errors are as short as in hints", () => {
  const cases: [number, string][] = [[0, "0%"], [0.00001, "<.01%"], [0.0006, ".06%"], [0.006, ".6%"], [0.099, "9.9%"], [0.1234, "12%"]];
  cases.forEach(([error, text]) => { assert.equal(share(error), text); });
});

test("schemes are called as in hints", () => {
  assert.equal(scheme("quanto.qint8"), "int8");
  assert.equal(scheme("quanto.qfloat8_e4m3fn"), "float8_e4m3fn");
  assert.equal(scheme("bfloat16"), "bf16");
});

test("bars have one width", () => {
  assert.equal(bar(1, 4), "████");
  assert.equal(bar(0.5, 4).trim(), "██");
  [0, 0.01, 0.3, 0.999, 2].forEach((share) => { assert.equal(bar(share).length, 4); });
});
