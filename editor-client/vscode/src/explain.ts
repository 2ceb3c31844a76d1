import * as vscode from "vscode";
import { isTrouble } from "./finding";
import { activeDocument } from "./documents";
import { explanation, } from "./status";
import type { Server } from "./server";
import { selectInterpreter, troubleNotice } from "./trouble";

interface Reason extends vscode.QuickPickItem {
  readonly mend?: () => unknown;
}

/** Why nothing shows: what was found, the likeliest reason first, each with the way to mend it. */
export async function explain(server: Server): Promise<void> {
  const reasons = [...(await reasonsOf(server)), ...explanation(server).map((label): Reason => ({ label: `$(info) ${label}` }))];
  const logs: Reason = { label: `$(output) ${vscode.l10n.t("Show Logs")}`, mend: () => vscode.commands.executeCommand("bitlens.showLogs") };
  const restart: Reason = { label: `$(debug-restart) ${vscode.l10n.t("Restart Server")}`, mend: async () => server.restart() };
  const title = vscode.l10n.t("bitlens: why does nothing show?");
  const chosen = await vscode.window.showQuickPick([...reasons, restart, logs], { title });
  await chosen?.mend?.();
}

async function reasonsOf(server: Server): Promise<Reason[]> {
  const reasons: Reason[] = [];
  const trouble = server.launch?.found;
  if (trouble !== undefined && isTrouble(trouble)) {
    const { message, button, mend } = troubleNotice(trouble, server);
    reasons.push({ label: `$(error) ${message}`, detail: button, mend });
  } else if (server.phase === "failed" || server.phase === "stopped") {
    reasons.push({ label: `$(error) ${vscode.l10n.t("The server does not run.")}`, detail: vscode.l10n.t("Restart Server"), mend: async () => server.restart() });
  }
  if (!vscode.workspace.isTrusted) {
    reasons.push({
      label: `$(shield) ${vscode.l10n.t("The workspace is not trusted, so nothing is measured.")}`,
      detail: vscode.l10n.t("Manage Workspace Trust"),
      mend: () => vscode.commands.executeCommand("workbench.trust.manage"),
    });
  }
  if (server.launch?.probe?.torch === false) {
    reasons.push({ label: `$(warning) ${vscode.l10n.t("The selected interpreter has no PyTorch.")}`, detail: vscode.l10n.t("Select Interpreter"), mend: selectInterpreter });
  }
  return [...reasons, ...hintReasons(), ...(await documentReasons(server))];
}

function hintReasons(): Reason[] {
  const document = activeDocument();
  const reasons: Reason[] = [];
  if (vscode.workspace.getConfiguration("editor", document).get("inlayHints.enabled") === "off") {
    reasons.push({
      label: `$(eye-closed) ${vscode.l10n.t("The editor shows no inlay hints (editor.inlayHints.enabled).")}`,
      detail: vscode.l10n.t("Open Settings"),
      mend: () => vscode.commands.executeCommand("workbench.action.openSettings", "editor.inlayHints.enabled"),
    });
  }
  if (vscode.workspace.getConfiguration("bitlens", document).get("hints.preset") === "off") {
    reasons.push({
      label: `$(eye-closed) ${vscode.l10n.t("bitlens' hints are off (bitlens.hints.preset).")}`,
      detail: vscode.l10n.t("Open Settings"),
      mend: () => vscode.commands.executeCommand("workbench.action.openSettings", "bitlens.hints.preset"),
    });
  }
  return reasons;
}

async function documentReasons(server: Server): Promise<Reason[]> {
  const document = activeDocument();
  if (document === undefined) {
    return [{ label: `$(file) ${vscode.l10n.t("No Python file or notebook is open.")}` }];
  }
  const models = await server.models(document.uri.toString());
  if (server.running !== undefined && !models.some((model) => model.origin === "measured")) {
    const mend = (): Thenable<unknown> => vscode.commands.executeCommand("bitlens.measureFile");
    return [{ label: `$(play) ${vscode.l10n.t("No model of this file was measured yet.")}`, detail: vscode.l10n.t("Measure File"), mend }];
  }
  return [];
}
