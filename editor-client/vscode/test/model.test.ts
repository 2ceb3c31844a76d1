import assert from "node:assert/strict";
import { test } from "node:test";
import { arranged, type Branch, isModels, leaves, type TreeNode } from "../src/model";

const node = (name: string, bytes: number, error: number | null, children: TreeNode[] = []): TreeNode => ({
  name, bytes, children, type: children.length === 0 ? "Linear" : null, file: null, line: null, dtype: "float32", parameters: bytes / 4, schemes: { q: { bytes, relative_error: error } },
});
const tree = node("net", 10, 0.3, [node("a", 1, 0.2), node("b", 7, 0.3, [node("fc", 5, 0.1), node("out", 2, 0.3)]), node("c", 2, null)]);
const names = (branch: Branch | undefined): string[] => branch === undefined ? [] : [branch.path, ...branch.children.flatMap(names)];

test("order of the model, by size, by error with the unknown last", () => {
  assert.deepEqual(names(arranged(tree, "model", "", "q")), ["", "a", "b", "b.fc", "b.out", "c"]);
  assert.deepEqual(names(arranged(tree, "size", "", "q")), ["", "b", "b.fc", "b.out", "c", "a"]);
  assert.deepEqual(names(arranged(tree, "error", "", "q")), ["", "b", "b.out", "b.fc", "a", "c"]);
});

test("a filter keeps what matches and what holds it", () => {
  assert.deepEqual(names(arranged(tree, "model", "FC", "q")), ["", "b", "b.fc"]);
  assert.deepEqual(names(arranged(tree, "model", "nothing", "q")), []);
});

test("a layer that also holds layers counts its own bytes once", () => {
  const own: TreeNode = { ...tree, type: "Block", bytes: 14 };
  const found = [...leaves(own)].map((leaf) => [leaf.path, leaf.node.bytes]);
  assert.deepEqual(found, [["", 4], ["a", 1], ["b.fc", 5], ["b.out", 2], ["c", 2]]);
  assert.equal(found.reduce((sum, [, bytes]) => sum + Number(bytes), 0), own.bytes);
});

test("only what looks like models is taken for models", () => {
  assert.ok(isModels([{ name: "net", tree }]));
  [null, {}, [1], [{ name: "net" }]].forEach((wrong) => { assert.ok(!isModels(wrong)); });
});
