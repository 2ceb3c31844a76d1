import * as vscode from "vscode";

/** The Python document that the user looks at: a file, or the active cell of a notebook. */
export function activeDocument(): vscode.TextDocument | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId === "python") {
    return document;
  }
  const editor = vscode.window.activeNotebookEditor;
  const cells = editor?.notebook.getCells().filter((cell) => cell.document.languageId === "python") ?? [];
  const at = editor?.selection.start ?? 0;
  const cell = cells.find((one) => one.index >= at) ?? cells.at(-1);
  return cell?.document ?? beside();
}

/** The Python document beside a view that has the focus, say the report. */
function beside(): vscode.TextDocument | undefined {
  const editors = vscode.window.activeTextEditor === undefined ? vscode.window.visibleTextEditors : [];
  return editors.find((one) => one.document.languageId === "python")?.document;
}

/** Select a line (from 0) in an editor, or in the cell of a notebook. */
export async function reveal(uri: vscode.Uri, line: number): Promise<void> {
  const notebook = vscode.workspace.notebookDocuments.find((one) => one.getCells().some((cell) => cell.document.uri.toString() === uri.toString()));
  const cell = notebook?.getCells().find((one) => one.document.uri.toString() === uri.toString());
  if (notebook !== undefined && cell !== undefined) {
    const selections = [new vscode.NotebookRange(cell.index, cell.index + 1)];
    await vscode.window.showNotebookDocument(notebook, { selections });
  }
  const range = new vscode.Range(line, 0, line, 0);
  const document = await vscode.workspace.openTextDocument(uri);
  if (cell === undefined) {
    const editor = await vscode.window.showTextDocument(document, { selection: range });
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  } else {
    const editor = vscode.window.visibleTextEditors.find((one) => one.document === document);
    if (editor !== undefined) {
      editor.selection = new vscode.Selection(range.start, range.start);
    }
  }
}
