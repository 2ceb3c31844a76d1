import { execFile } from "node:child_process";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import type { Logger } from "./logger";

const run = promisify(execFile);

/** bitlens in a virtual environment of the extension's own, made when the user asks for it. */
export class PrivateEnvironment {
  public constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: Logger,
  ) {}

  private get folder(): string {
    return join(this.context.globalStorageUri.fsPath, `server-${(this.context.extension.packageJSON as { version: string }).version}`);
  }

  /** Its interpreter, whether or not it is there. */
  public get python(): string {
    return process.platform === "win32" ? join(this.folder, "Scripts", "python.exe") : join(this.folder, "bin", "python");
  }

  /** Install the bitlens that comes with this extension, and what it needs from the user's package index. */
  public async install(python: string): Promise<void> {
    const title = vscode.l10n.t("Installing the bitlens server…");
    await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, async () => {
      await mkdir(this.context.globalStorageUri.fsPath, { recursive: true });
      // Another window may install at the same time: each fills its own folder, and the first one done stays.
      const fresh = `${this.folder}-${process.pid}`;
      await rm(fresh, { recursive: true, force: true });
      await this.execute(python, ["-m", "venv", fresh]);
      const inside = this.python.replace(this.folder, fresh);
      await this.execute(inside, ["-m", "pip", "install", "--disable-pip-version-check", await this.wheel()]);
      await rm(this.folder, { recursive: true, force: true });
      await rename(fresh, this.folder);
    });
  }

  private async wheel(): Promise<string> {
    const folder = this.context.asAbsolutePath("bundled");
    const name = (await readdir(folder)).find((file) => file.endsWith(".whl"));
    if (name === undefined) {
      throw new Error(`there is no wheel in ${folder}`);
    }
    return join(folder, name);
  }

  private async execute(command: string, args: string[]): Promise<void> {
    this.log.info(`${command} ${args.join(" ")}`);
    const { stdout, stderr } = await run(command, args, { cwd: this.context.globalStorageUri.fsPath });
    this.log.info((stdout + stderr).trim());
  }
}
