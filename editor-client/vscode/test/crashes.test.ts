import assert from "node:assert/strict";
import { test } from "node:test";
import { Crashes } from "../src/crashes";

test("four restarts in three minutes, not a fifth", () => {
  const crashes = new Crashes(4, 180_000, () => 0);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => crashes.again()), [true, true, true, true, false]);
  crashes.forget();
  assert.equal(crashes.again(), true);
});

test("a server that stops now and then is always started again", () => {
  let time = 0;
  const crashes = new Crashes(4, 180_000, () => (time += 60_000));
  assert.ok(Array.from({ length: 50 }, () => crashes.again()).every(Boolean));
});
