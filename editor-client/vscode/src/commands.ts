import * as vscode from "vscode";
import { activeDocument } from "./documents";
import { explain } from "./explain";
import { quantizeToFit } from "./fitting";
import type { Logger } from "./logger";
import { measure, modelAtCaret } from "./measuring";
import type { Order } from "./model";
import type { Notices } from "./notices";
import type { Report } from "./report";
import { rewrite } from "./rewriting";
import type { Server } from "./server";
import { explanation } from "./status";
import { type ModelTree, revealRow, type Row } from "./tree";

/** What commands work with. */
export interface Parts {
  readonly server: Server;
  readonly notices: Notices;
  readonly tree: ModelTree;
  readonly report: Report;
  readonly log: Logger;
}

/** The table from command to what it does. */
export function registerCommands(parts: Parts): vscode.Disposable[] {
  const { server, tree, log } = parts;
  const sort = (order: Order) => () => { tree.sort(order); };
  const table: Record<string, (...args: never[]) => unknown> = {
    measureModel: async () => measureActive(parts, await modelAtCaret(server)),
    measureFile: async () => measureActive(parts, undefined),
    cancelMeasurement: async () => server.execute("bitlens.cancel"),
    toggleInlayHints: async () => server.execute("bitlens.toggleHints"),
    openModelTree: async () => tree.show(await modelAtCaret(server)),
    openReport: async () => openReport(parts),
    quantizeModelToFit: async () => quantizeToFit(server, parts.notices),
    restartServer: async () => server.restart(),
    showLogs: () => { log.show(); },
    printDebugInformation: async () => printDebugInformation(parts),
    explain: async () => explain(server),
    revealLayer: async (row: Row) => revealRow(row),
    excludeLayer: async (row: Row) => rewrite(server, row, "exclude"),
    convertLayer: async (row: Row) => rewrite(server, row, "quantize-layer"),
    sortTreeByModel: sort("model"),
    sortTreeBySize: sort("size"),
    sortTreeByError: sort("error"),
    filterTree: async () => tree.askFilter(),
    clearTreeFilter: () => { tree.setFilter(""); },
  };
  return Object.entries(table).map(([name, run]) => vscode.commands.registerCommand(`bitlens.${name}`, run));
}

/** Commands that the server's lenses name and that this editor has its own way of. */
export async function takeLens(parts: Parts, command: string, args: readonly unknown[]): Promise<boolean> {
  const [uri, model] = args.map((value) => (typeof value === "string" ? value : undefined));
  if (command === "bitlens.measure" && uri !== undefined) {
    await measure(parts.server, parts.notices, uri, model);
    return true;
  }
  if (command === "bitlens.modelTree") {
    await parts.tree.show(model);
    return true;
  }
  return false;
}

async function measureActive({ server, notices }: Parts, model: string | undefined): Promise<void> {
  const document = activeDocument();
  if (document === undefined) {
    await vscode.window.showInformationMessage(vscode.l10n.t("Open a Python file or a notebook to measure its models."));
    return;
  }
  await measure(server, notices, document.uri.toString(), model);
}

async function openReport({ tree, report }: Parts): Promise<void> {
  await tree.refresh();
  report.show(tree.models);
}

async function printDebugInformation({ server, log }: Parts): Promise<void> {
  const asked = server.running === undefined ? undefined : await server.execute("bitlens.debugInformation");
  const facts = { editor: vscode.version, remote: vscode.env.remoteName ?? null, trusted: vscode.workspace.isTrusted, phase: server.phase, launch: server.launch, server: asked ?? null };
  log.info(`debug information\n${explanation(server).join("\n")}\n${JSON.stringify(facts, null, 2)}`);
  log.show();
}
