import assert from "node:assert/strict";
import { test } from "node:test";
import { type Rectangle, squarify } from "../src/treemap";

const area: Rectangle = { x: 0, y: 0, width: 600, height: 400 };

test("the example of the paper: areas, order and first rectangle", () => {
  const weights = [6, 6, 4, 3, 2, 2, 1];
  const placed = squarify(weights, { x: 0, y: 0, width: 6, height: 4 });
  placed.forEach(({ width, height }, at) => { assert.ok(Math.abs(width * height - (weights[at] ?? 0)) < 1e-9); });
  assert.deepEqual(placed[0], { x: 0, y: 0, width: 3, height: 2 });
});

test("rectangles fill the area, stay inside and do not overlap", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const weights = Array.from({ length: seed * 3 }, (_, at) => 1 + ((at * 7919 * seed) % 1000)).sort((a, b) => b - a);
    const placed = squarify(weights, area);
    const sum = placed.reduce((total, { width, height }) => total + width * height, 0);
    assert.ok(Math.abs(sum - 240_000) < 1e-3);
    placed.forEach((one, at) => {
      assert.ok(one.x >= -1e-6 && one.y >= -1e-6 && one.x + one.width <= 600 + 1e-6 && one.y + one.height <= 400 + 1e-6);
      placed.slice(at + 1).forEach((other) => { assert.ok(!overlap(one, other)); });
    });
  }
});

function overlap(one: Rectangle, other: Rectangle): boolean {
  const shared = (a: number, b: number, c: number, d: number): number => Math.min(a + b, c + d) - Math.max(a, c);
  return shared(one.x, one.width, other.x, other.width) > 1e-6 && shared(one.y, one.height, other.y, other.height) > 1e-6;
}
