import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Probe, safeFolders } from "./finding";

/** Nothing is imported: metadata and the finders are enough. */
const QUESTIONS = `
import json, sys
from importlib.util import find_spec
try:
    from importlib.metadata import version
    found = version("bitlens") if find_spec("bitlens_server") else None
except Exception:
    found = None
print(json.dumps({"executable": sys.executable, "version": sys.version_info[:3], "bitlens": found,
                  "torch": find_spec("torch") is not None}))
`;

const PATIENCE = 20_000;

/** What an interpreter says about itself; undefined where it does not run. `cwd` must hold no Python files. */
export async function probe(python: string, cwd: string): Promise<Probe | undefined> {
  return new Promise((resolve) => {
    execFile(python, ["-c", QUESTIONS], { cwd, timeout: PATIENCE, windowsHide: true }, (error, stdout) => {
      try {
        resolve(error ? undefined : (JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Probe));
      } catch {
        resolve(undefined);
      }
    });
  });
}

/** The first Python on PATH that runs, new enough ones before others, none from a workspace folder. */
export async function systemPython(workspaces: readonly string[], cwd: string): Promise<Probe | undefined> {
  const names = process.platform === "win32" ? ["python.exe"] : ["python3", "python", "python3.13", "python3.12", "python3.11", "python3.10"];
  const folders = safeFolders(process.env.PATH ?? "", delimiter, workspaces);
  let old: Probe | undefined;
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    if (await isExecutable(file)) {
      const found = await probe(file, cwd);
      if (found !== undefined && (found.version[0] > 3 || found.version[1] >= 10)) {
        return found;
      }
      old ??= found;
    }
  }
  return old;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
