import * as vscode from "vscode";
import type { CodeAction } from "vscode-languageclient";
import type { Server } from "./server";
import type { Row } from "./tree";

/** Offer the server's actions of one kind (`exclude`, `quantize-layer`) for the line that constructs a layer. */
export async function rewrite(server: Server, row: Row, kind: string): Promise<void> {
  const { uri, position } = row.branch.node;
  const actions = uri === undefined || position === undefined ? [] : await actionsAt(server, uri, position, kind);
  if (actions.length === 0) {
    const message = kind === "exclude" ? vscode.l10n.t("The program quantizes nothing that this line makes, so there is nothing to exclude.") : vscode.l10n.t("This layer cannot be converted by itself here.");
    await vscode.window.showInformationMessage(message);
    return;
  }
  const items = actions.map((action) => ({ label: action.title, action }));
  const chosen = items.length === 1 ? items[0] : await vscode.window.showQuickPick(items);
  if (chosen !== undefined) {
    await apply(server, chosen.action);
  }
}

async function actionsAt(server: Server, uri: string, line: number, kind: string): Promise<CodeAction[]> {
  const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
  const range = { start: { line, character: 0 }, end: { line, character: document.lineAt(line).text.length } };
  const asked = { textDocument: { uri }, range, context: { diagnostics: [], only: ["refactor.rewrite"] } };
  const found = await server.running?.sendRequest<CodeAction[] | null>("textDocument/codeAction", asked);
  const idOf = (action: CodeAction): string => String((action.data as { id?: unknown } | undefined)?.id);
  return (found ?? []).filter((action) => idOf(action) === kind || idOf(action).startsWith(`${kind}.`));
}

async function apply(server: Server, action: CodeAction): Promise<void> {
  const client = server.running;
  const resolved = action.edit === undefined ? await client?.sendRequest<CodeAction>("codeAction/resolve", action) : action;
  const edit = await client?.protocol2CodeConverter.asWorkspaceEdit(resolved?.edit);
  if (edit !== undefined) {
    await vscode.workspace.applyEdit(edit);
  }
}
