import * as vscode from "vscode";
import type { Trouble } from "./finding";
import { messageOf } from "./logger";
import type { Notice } from "./notices";
import type { Server } from "./server";

/** What stands in the way of a server, with the button that mends it. */
export function troubleNotice(trouble: Trouble, server: Server): Notice {
  const select = { button: vscode.l10n.t("Select Interpreter"), mend: selectInterpreter };
  switch (trouble.code) {
    case "no-python":
      return { code: trouble.code, severity: "error", message: vscode.l10n.t("bitlens found no Python; it needs Python 3.10 or newer for its server."), ...select };
    case "old-python":
      return { code: trouble.code, severity: "error", message: vscode.l10n.t("bitlens needs Python 3.10 or newer for its server; the newest found is {0}.", trouble.version), ...select };
    case "not-installed":
      return {
        code: trouble.code,
        severity: "warning",
        message: vscode.l10n.t("The bitlens server is not installed. It can be put into an environment of the extension's own; your environments stay as they are."),
        button: vscode.l10n.t("Install"),
        mend: async () => install(trouble.python, server),
      };
    case "other-version":
      return {
        code: trouble.code,
        severity: "warning",
        message: vscode.l10n.t("{0} has bitlens {1}, which this extension ({2}) does not speak with.", trouble.python, trouble.version, server.launcher.version),
        button: vscode.l10n.t("Use the Extension's Copy"),
        mend: async () => vscode.workspace.getConfiguration("bitlens").update("importStrategy", "useBundled", vscode.ConfigurationTarget.Global),
      };
  }
}

async function install(python: string, server: Server): Promise<void> {
  try {
    await server.launcher.installed.install(python);
  } catch (error) {
    await vscode.window.showErrorMessage(vscode.l10n.t("bitlens was not installed: {0}", messageOf(error)));
    return;
  }
  await server.restart();
}

/** The Python extension's own picker where there is one, else our setting. */
export async function selectInterpreter(): Promise<void> {
  const commands = await vscode.commands.getCommands(true);
  if (commands.includes("python.setInterpreter")) {
    await vscode.commands.executeCommand("python.setInterpreter");
  } else {
    await vscode.commands.executeCommand("workbench.action.openSettings", "bitlens.interpreter");
  }
}
