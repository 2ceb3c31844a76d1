import * as vscode from "vscode";
import { isTrouble } from "./finding";
import { describe, type Server } from "./server";

/** The status bar item: health, what is being measured, the device; a click explains why nothing shows. */
export class StatusItem implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("bitlens.status", vscode.StatusBarAlignment.Right, 90);
  private readonly subscriptions: vscode.Disposable[];

  public constructor(private readonly server: Server) {
    this.item.name = "bitlens";
    this.item.command = "bitlens.explain";
    const update = (): void => { this.update(); };
    this.subscriptions = [server.onDidChange(update), vscode.window.onDidChangeActiveTextEditor(update), vscode.window.onDidChangeActiveNotebookEditor(update)];
    this.update();
  }

  private update(): void {
    const { phase, status } = this.server;
    const failed = phase === "failed" || status?.health === "error";
    const busy = phase === "starting" || status?.busy === true;
    const icon = failed ? "error" : busy ? "sync~spin" : vscode.workspace.isTrusted ? "symbol-ruler" : "shield";
    const device = status?.device ?? "";
    const detail = status?.busy === true ? status.message : device;
    this.item.text = `$(${icon}) bitlens${detail === "" ? "" : ` ${detail}`}`;
    this.item.backgroundColor = failed ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.item.tooltip = [...explanation(this.server), vscode.l10n.t("Click: why does nothing show?")].join("\n\n");
    this.item.accessibilityInformation = { label: `bitlens, ${phaseName(this.server)} ${detail}`, role: "button" };
    this.item.show();
  }

  public dispose(): void {
    this.item.dispose();
    this.subscriptions.forEach((one) => { one.dispose(); });
  }
}

function phaseName(server: Server): string {
  return { stopped: vscode.l10n.t("stopped"), starting: vscode.l10n.t("starting"), running: vscode.l10n.t("running"), failed: vscode.l10n.t("failed") }[server.phase];
}

/** The server's state in sentences. */
export function explanation(server: Server): string[] {
  const { launch, status } = server;
  const lines = [`bitlens ${server.launcher.version}: ${phaseName(server)}`];
  if (launch !== undefined && !isTrouble(launch.found)) {
    lines.push(vscode.l10n.t("Server: {0}", describe(launch.found)));
  }
  if (!vscode.workspace.isTrusted) {
    lines.push(vscode.l10n.t("Restricted mode: sizes come from the source alone and nothing is run."));
  } else {
    const { interpreter } = launch ?? {};
    lines.push(interpreter === undefined ? vscode.l10n.t("Models are built by the server's own Python: no interpreter is selected.") : vscode.l10n.t("Models are built by {0} ({1}).", interpreter.path, interpreter.source));
  }
  if (status?.device != null) {
    lines.push(vscode.l10n.t("Device: {0}", status.device));
  }
  return status?.message ? [...lines, status.message] : lines;
}
