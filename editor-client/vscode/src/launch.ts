import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import * as vscode from "vscode";
import { find, type Found, isTrouble, type Probe, type Trouble, type World } from "./finding";
import { PrivateEnvironment } from "./installing";
import type { Logger } from "./logger";
import { probe, systemPython } from "./probe";
import type { Interpreter, Interpreters } from "./python";
import { firstFolder, readSettings } from "./settings";

/** What was found out before a start. */
export interface Launch {
  readonly found: Found | Trouble;
  /** Runs the worker: the user's selected interpreter, whatever runs the server. */
  readonly interpreter: Interpreter | undefined;
  readonly probe: Probe | undefined;
}

/** Collects what is known of this machine and this workspace, and lets `find` choose. */
export class Launcher {
  public readonly installed: PrivateEnvironment;

  public constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly interpreters: Interpreters,
    private readonly log: Logger,
  ) {
    this.installed = new PrivateEnvironment(context, log);
  }

  /** Where the server runs: no workspace can put Python files there. */
  public get cwd(): string {
    return readSettings().cwd || this.context.globalStorageUri.fsPath;
  }

  public get version(): string {
    return (this.context.extension.packageJSON as { version: string }).version;
  }

  public async prepare(): Promise<Launch> {
    const home = this.context.globalStorageUri.fsPath;
    await mkdir(home, { recursive: true });
    const trusted = vscode.workspace.isTrusted;
    const interpreter = trusted ? await this.interpreters.selected(firstFolder()?.uri) : undefined;
    const environment = interpreter && (await probe(interpreter.path, home));
    if (interpreter !== undefined && environment === undefined) {
      this.log.warn(`the interpreter ${interpreter.path} (${interpreter.source}) does not run`);
    }
    const { path, importStrategy } = readSettings();
    const world: World = { trusted, version: this.version, path, importStrategy, environment, system: undefined, installed: undefined, bundle: this.bundle() };
    return { found: await this.choose(world, home), interpreter, probe: environment };
  }

  /** Pythons that nobody chose are only looked for where they are needed. */
  private async choose(world: World, home: string): Promise<Found | Trouble> {
    const first = find(world);
    if (!isTrouble(first) || first.code === "other-version") {
      return first;
    }
    const workspaces = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
    const system = await systemPython(workspaces, home);
    const installed = existsSync(this.installed.python) ? await probe(this.installed.python, home) : undefined;
    return find({ ...world, system, installed });
  }

  private bundle(): World["bundle"] {
    const list = this.context.asAbsolutePath("bundled/pythons.json");
    if (!existsSync(list)) {
      return undefined;
    }
    const pythons = JSON.parse(readFileSync(list, "utf8")) as string[];
    return { script: this.context.asAbsolutePath("bundled/start.py"), pythons };
  }
}
