import * as os from "node:os";
import * as vscode from "vscode";
import { expand, type ImportStrategy } from "./finding";
import { nested } from "./nested";

export const SECTION = "bitlens";

/** Settings that only the extension reads; all others are the server's. */
export interface ClientSettings {
  readonly path: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly interpreter: string;
  readonly importStrategy: ImportStrategy;
  readonly showNotifications: "off" | "onError" | "onWarning" | "always";
}

const RESTART = ["path", "args", "cwd", "interpreter", "importStrategy"];

export function readSettings(): ClientSettings {
  const settings = vscode.workspace.getConfiguration(SECTION, firstFolder()?.uri);
  return {
    path: expanded(settings.get("path", "")),
    args: settings.get<string[]>("args", []),
    cwd: expanded(settings.get("cwd", "")),
    interpreter: expanded(settings.get("interpreter", "")),
    importStrategy: settings.get<ImportStrategy>("importStrategy", "fromEnvironment"),
    showNotifications: settings.get<ClientSettings["showNotifications"]>("showNotifications", "onWarning"),
  };
}

export function firstFolder(): vscode.WorkspaceFolder | undefined {
  return vscode.workspace.workspaceFolders?.[0];
}

function expanded(text: string): string {
  return expand(text, firstFolder()?.uri.fsPath, process.env, os.homedir());
}

/** Whether a change of settings asks for another server. */
export function needsRestart(event: vscode.ConfigurationChangeEvent): boolean {
  return RESTART.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}

/**
 * What the user and the workspace set, without the editor's defaults: a project's `[tool.bitlens]` counts where they
 * say nothing.
 */
export function explicitSettings(scope: vscode.Uri | undefined, names: readonly string[]): Record<string, unknown> {
  const settings = vscode.workspace.getConfiguration(SECTION, scope ?? null);
  const set = names.filter((name) => {
    const found = settings.inspect(name);
    return [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue].some((value) => value !== undefined);
  });
  return nested(set.map((name): [string, unknown] => [name, settings.get(name)]));
}

/** Names of the server's settings, `hints.preset`, as package.json declares them. */
export function serverSettingNames(packageJson: unknown): string[] {
  const { contributes } = packageJson as { contributes: { configuration: { properties: Record<string, unknown> }[] } };
  const names = contributes.configuration.flatMap((group) => Object.keys(group.properties));
  const mine = ["path", "args", "cwd", "importStrategy", "showNotifications", "trace.server"];
  return names.map((name) => name.slice(SECTION.length + 1)).filter((name) => !mine.includes(name));
}
