import assert from "node:assert/strict";
import { test } from "node:test";
import { expand, find, isTrouble, type Probe, safeFolders, type World } from "../src/finding";

const python = (version: [number, number, number], bitlens: string | null = null): Probe => ({ executable: `/python${version.join(".")}`, version, bitlens, torch: true });
const world = (given: Partial<World>): World => ({
  trusted: true, version: "0.1.3", path: "", importStrategy: "fromEnvironment", environment: undefined, system: undefined, installed: undefined, bundle: undefined, ...given,
});
const bundle = { script: "/ext/start.py", pythons: ["3.10", "3.11"] };
const kind = (given: Partial<World>): string => {
  const found = find(world(given));
  return isTrouble(found) ? found.code : `${found.kind} ${found.command}`;
};

test("bitlens.path counts before everything", () => {
  assert.equal(kind({ path: "/opt/bitlens", environment: python([3, 11, 0], "0.1.0"), bundle }), "path /opt/bitlens");
});

test("the selected environment's bitlens counts before the copy", () => {
  assert.equal(kind({ environment: python([3, 11, 0], "0.1.0"), bundle }), "environment /python3.11.0");
  assert.equal(kind({ environment: python([3, 11, 0], "0.1.0"), bundle, importStrategy: "useBundled" }), "bundled /python3.11.0");
});

test("nothing of the environment is used in an untrusted workspace", () => {
  assert.equal(kind({ trusted: false, environment: python([3, 11, 0], "0.1.0"), system: python([3, 10, 1]), bundle }), "bundled /python3.10.1");
});

test("an old or too new interpreter leaves the copy to another Python", () => {
  assert.equal(kind({ environment: python([3, 9, 0], "0.1.0"), system: python([3, 11, 2]), bundle }), "bundled /python3.11.2");
  assert.equal(kind({ environment: python([3, 99, 0]), system: python([3, 11, 2]), bundle }), "bundled /python3.11.2");
});

test("the copy ignores PYTHONPATH and the working directory", () => {
  const found = find(world({ system: python([3, 11, 0]), bundle }));
  assert.deepEqual(isTrouble(found) ? [] : found.args, ["-I", "/ext/start.py"]);
});

test("the private environment serves its own version only", () => {
  assert.equal(kind({ system: python([3, 11, 0]), installed: python([3, 11, 0], "0.1.3") }), "installed /python3.11.0");
  assert.equal(kind({ system: python([3, 11, 0]), installed: python([3, 11, 0], "0.1.2") }), "not-installed");
});

test("each bad day has its own trouble", () => {
  assert.equal(kind({}), "no-python");
  assert.equal(kind({ system: python([3, 8, 10]) }), "old-python");
  assert.equal(kind({ system: python([3, 12, 0]) }), "not-installed");
  assert.equal(kind({ environment: python([3, 12, 0], "0.2.0"), bundle }), "other-version");
});

test("PATH is taken without what a workspace holds and without relative folders", () => {
  assert.deepEqual(safeFolders("/usr/bin:/w/bin:.:bin::/work/bin", ":", ["/w"]), ["/usr/bin", "/work/bin"]);
});

test("variables in settings", () => {
  const expanded = (text: string): string => expand(text, "/我的 w", { NAME: "x" }, "/home/me");
  assert.equal(expanded("${workspaceFolder}/.venv/bin/python"), "/我的 w/.venv/bin/python");
  assert.equal(expanded("~/p:${userHome}:${env:NAME}:${env:NONE}:${other}"), "/home/me/p:/home/me:x::${other}");
  assert.equal(expand("${workspaceFolder}/x", undefined, {}, "/"), "${workspaceFolder}/x");
});
