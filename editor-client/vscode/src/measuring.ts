import * as vscode from "vscode";
import { activeDocument } from "./documents";
import type { Notices } from "./notices";
import type { Server } from "./server";
import { selectInterpreter } from "./trouble";

interface Lens {
  readonly range: { readonly start: { readonly line: number } };
  readonly command?: { readonly command: string; readonly arguments?: readonly unknown[] };
}

/** Measure one model, or all models of a document. */
export async function measure(server: Server, notices: Notices, uri: string, model?: string): Promise<void> {
  if (!vscode.workspace.isTrusted) {
    const message = vscode.l10n.t("Measuring runs the code of this workspace, which is not trusted.");
    const mend = (): Thenable<unknown> => vscode.commands.executeCommand("workbench.trust.manage");
    await notices.show({ code: "untrusted", answers: true, severity: "warning", message, button: vscode.l10n.t("Manage Workspace Trust"), mend });
    return;
  }
  if (server.launch?.probe?.torch === false) {
    const message = vscode.l10n.t("{0} has no PyTorch, so it cannot build models.", server.launch.probe.executable);
    await notices.show({ code: "no-torch", answers: true, severity: "error", message, button: vscode.l10n.t("Select Interpreter"), mend: selectInterpreter });
    return;
  }
  await server.execute("bitlens.measure", ...(model === undefined ? [uri] : [uri, model]));
}

/** The model whose lens stands nearest above the caret; undefined where none does. */
export async function modelAtCaret(server: Server): Promise<string | undefined> {
  const document = activeDocument();
  const lenses = await server.running?.sendRequest<Lens[] | null>("textDocument/codeLens", { textDocument: { uri: document?.uri.toString() } });
  const caret = vscode.window.activeTextEditor?.selection.active.line ?? 0;
  const found = (lenses ?? [])
    .filter((lens) => lens.command?.command === "bitlens.measure" && lens.range.start.line <= caret)
    .sort((one, other) => other.range.start.line - one.range.start.line)[0];
  const name = found?.command?.arguments?.[1];
  return typeof name === "string" ? name : undefined;
}
