/** Which server is started: a function of what is known, so that every case can be tested without a window. */

export type ImportStrategy = "fromEnvironment" | "useBundled";

/** What a Python interpreter said about itself. */
export interface Probe {
  readonly executable: string;
  readonly version: readonly [number, number, number];
  /** Version of bitlens that is installed there with its server, or null. */
  readonly bitlens: string | null;
  readonly torch: boolean;
}

/** All that decides the choice. */
export interface World {
  readonly trusted: boolean;
  /** Of this extension. */
  readonly version: string;
  /** `bitlens.path`, expanded; empty for none. In an untrusted workspace it is the user's own value. */
  readonly path: string;
  readonly importStrategy: ImportStrategy;
  /** The selected interpreter. Never asked for in an untrusted workspace. */
  readonly environment: Probe | undefined;
  /** An interpreter that the workspace cannot have chosen. */
  readonly system: Probe | undefined;
  /** The private environment into which the user let us install bitlens. */
  readonly installed: Probe | undefined;
  /** Script that starts the bundled copy, and the Python versions (`3.11`) for which it has compiled parts. */
  readonly bundle: { readonly script: string; readonly pythons: readonly string[] } | undefined;
}

export type Kind = "path" | "environment" | "bundled" | "installed";

export interface Found {
  readonly kind: Kind;
  readonly command: string;
  readonly args: readonly string[];
  /** Of bitlens, where it is known before it runs. */
  readonly version: string | undefined;
}

export type Trouble =
  | { readonly code: "no-python" }
  | { readonly code: "old-python"; readonly version: string }
  | { readonly code: "not-installed"; readonly python: string }
  | { readonly code: "other-version"; readonly python: string; readonly version: string };

const OLDEST = [3, 10] as const;

/** The server to start, or what stands in its way. */
export function find(world: World): Found | Trouble {
  if (world.path !== "") {
    return { kind: "path", command: world.path, args: ["server"], version: undefined };
  }
  const environment = world.trusted ? world.environment : undefined;
  if (environment?.bitlens != null && world.importStrategy === "fromEnvironment" && isNewEnough(environment)) {
    if (!isCompatible(environment.bitlens, world.version)) {
      return { code: "other-version", python: environment.executable, version: environment.bitlens };
    }
    return module("environment", environment);
  }
  const hosts = [environment, world.system].filter((probe) => probe !== undefined);
  const host = hosts.find((probe) => isNewEnough(probe) && world.bundle?.pythons.includes(minor(probe)));
  if (world.bundle !== undefined && host !== undefined) {
    // -I: neither PYTHONPATH nor the working directory decide what is imported.
    const args = ["-I", world.bundle.script];
    return { kind: "bundled", command: host.executable, args, version: world.version };
  }
  if (world.installed?.bitlens === world.version) {
    return module("installed", world.installed);
  }
  const able = hosts.find(isNewEnough);
  if (able !== undefined) {
    return { code: "not-installed", python: able.executable };
  }
  const old = hosts[0];
  return old === undefined ? { code: "no-python" } : { code: "old-python", version: old.version.join(".") };
}

function module(kind: Kind, probe: Probe): Found {
  const args = ["-m", "bitlens_server"];
  return { kind, command: probe.executable, args, version: probe.bitlens ?? undefined };
}

export function isTrouble(result: Found | Trouble): result is Trouble {
  return "code" in result;
}

/** Whether the server's code runs in this interpreter. */
export function isNewEnough(probe: Probe): boolean {
  const [major, minorVersion] = probe.version;
  return major > OLDEST[0] || (major === OLDEST[0] && minorVersion >= OLDEST[1]);
}

/** Versions of one minor release speak the same protocol extensions. */
export function isCompatible(server: string, extension: string): boolean {
  const [ours, theirs] = [extension, server].map((version) => version.split(".").slice(0, 2).join("."));
  return ours === theirs;
}

/** `3.11` */
export function minor(probe: Probe): string {
  return probe.version.slice(0, 2).join(".");
}

/** Folders of PATH from which a program may be taken that no workspace folder holds. */
export function safeFolders(path: string, delimiter: string, workspaces: readonly string[]): string[] {
  const isInside = (folder: string): boolean =>
    workspaces.some((workspace) => folder === workspace || folder.startsWith(workspace.replace(/[\\/]*$/, "/")));
  const isAbsolute = (folder: string): boolean => /^(\/|[A-Za-z]:[\\/])/.test(folder);
  return path.split(delimiter).filter((folder) => isAbsolute(folder) && !isInside(folder.replaceAll("\\", "/")));
}

/** `${workspaceFolder}`, `${userHome}` and `${env:NAME}` in a setting. */
export function expand(text: string, workspaceFolder: string | undefined, env: NodeJS.ProcessEnv, home: string): string {
  return text.replaceAll(/\$\{(workspaceFolder|userHome|env:([^}]+))\}|^~(?=\/|$)/g, (whole, name: string | undefined, variable: string | undefined) => {
    if (variable !== undefined) {
      return env[variable] ?? "";
    }
    return name === "workspaceFolder" ? (workspaceFolder ?? whole) : home;
  });
}
