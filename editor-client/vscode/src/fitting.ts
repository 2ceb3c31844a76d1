import * as vscode from "vscode";
import { activeDocument, reveal } from "./documents";
import { size } from "./format";
import { measure, modelAtCaret } from "./measuring";
import type { Notices } from "./notices";
import type { Server } from "./server";

const COMMAND = "bitlens.quantizeToFit";
const PAUSE = 200;
const SHOWN = 15_000;

/** What the server says of a budget. */
interface Outlook {
  readonly ok: boolean;
  readonly message: string;
  readonly budget: number | null;
}

/** Asks for a budget, says while it is typed what would come of it, and lets the server edit the program. */
export async function quantizeToFit(server: Server, notices: Notices): Promise<void> {
  const uri = activeDocument()?.uri.toString();
  if (uri === undefined) {
    await vscode.window.showInformationMessage(vscode.l10n.t("Open a Python file or a notebook whose model shall fit."));
    return;
  }
  const measured = (await server.models(uri)).filter((one) => one.origin === "measured").map((one) => one.name);
  if (measured.length === 0) {
    await offerMeasuring(server, notices, uri);
    return;
  }
  const model = await choose(measured, await modelAtCaret(server));
  if (model === undefined) {
    return;
  }
  const look = async (budget: string | null): Promise<Outlook> => (await server.execute(COMMAND, uri, model, budget, true)) as Outlook;
  const budget = await askBudget(await look(null), look);
  if (budget !== undefined) {
    showNextEdit();
    const done = (await server.execute(COMMAND, uri, model, budget)) as Outlook;
    vscode.window.setStatusBarMessage(`$(check) ${done.message}`, SHOWN);
  }
}

/** Go to where the next edit of a Python document ends, if there is one soon. */
function showNextEdit(): void {
  const listener = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    if (document.languageId === "python" && contentChanges.length > 0) {
      listener.dispose();
      const last = contentChanges.reduce((one, other) => (one.range.start.line > other.range.start.line ? one : other));
      const inserted = contentChanges.reduce((lines, change) => lines + change.text.split("\n").length - 1, 0);
      void reveal(document.uri, Math.min(document.lineCount - 1, last.range.start.line + inserted));
    }
  });
  setTimeout(() => { listener.dispose(); }, SHOWN);
}

async function offerMeasuring(server: Server, notices: Notices, uri: string): Promise<void> {
  const button = vscode.l10n.t("Measure File");
  const message = vscode.l10n.t("What int8 and int4 do to this file's models is not known yet.");
  if ((await vscode.window.showInformationMessage(message, button)) !== undefined) {
    await measure(server, notices, uri);
  }
}

async function choose(names: readonly string[], atCaret: string | undefined): Promise<string | undefined> {
  if (names.length === 1 || (atCaret !== undefined && names.includes(atCaret))) {
    return names.length === 1 ? names[0] : atCaret;
  }
  return vscode.window.showQuickPick(names, { title: vscode.l10n.t("Quantize to fit") });
}

/** The budget as the user wrote it; undefined where the box was left. */
async function askBudget(first: Outlook, look: (budget: string) => Promise<Outlook>): Promise<string | undefined> {
  const box = vscode.window.createInputBox();
  const value = first.budget === null ? "" : size(first.budget).replace(/\.?0+ /, " ");
  Object.assign(box, { title: vscode.l10n.t("Quantize to fit"), placeholder: "8GB", prompt: vscode.l10n.t("Memory that parameters and buffers may take"), value });
  let timer: NodeJS.Timeout | undefined;
  const say = async (): Promise<boolean> => {
    const asked = box.value;
    const found = asked.trim() === "" ? first : await look(asked);
    if (asked === box.value) {
      const severity = found.ok ? vscode.InputBoxValidationSeverity.Info : vscode.InputBoxValidationSeverity.Warning;
      box.validationMessage = { message: found.message, severity };
    }
    return found.ok && asked.trim() !== "";
  };
  box.onDidChangeValue(() => {
    clearTimeout(timer);
    timer = setTimeout(() => void say(), PAUSE);
  });
  const accepted = await new Promise<string | undefined>((resolve) => {
    box.onDidAccept(async () => {
      if (await say()) {
        resolve(box.value);
      }
    });
    box.onDidHide(() => { resolve(undefined); });
    box.show();
    void say();
  });
  clearTimeout(timer);
  box.dispose();
  return accepted;
}
