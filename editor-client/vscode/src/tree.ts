import * as vscode from "vscode";
import { activeDocument, reveal } from "./documents";
import { bar, count, dtype, percent, scheme, share, size } from "./format";
import { arranged, type Branch, type Model, type Order } from "./model";
import type { Server } from "./server";

const PAUSE = 300;

/** A row of the view: a branch of one model's tree. */
export interface Row {
  readonly model: Model;
  readonly branch: Branch;
  readonly parent: Row | undefined;
}

/** The models of the active document, in the explorer. */
export class ModelTree implements vscode.TreeDataProvider<Row>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  private readonly view: vscode.TreeView<Row>;
  private readonly subscriptions: vscode.Disposable[];
  private roots: Row[] = [];
  private order: Order = "model";
  private filter = "";
  private timer: NodeJS.Timeout | undefined;
  private uri: string | undefined;
  public readonly onDidChangeTreeData = this.changed.event;
  public models: readonly Model[] = [];

  public constructor(private readonly server: Server) {
    this.view = vscode.window.createTreeView("bitlens.modelTree", { treeDataProvider: this, showCollapseAll: true });
    const later = (): void => { this.refreshSoon(); };
    this.subscriptions = [
      this.view,
      server.onDidChange(later),
      vscode.window.onDidChangeActiveTextEditor(later),
      vscode.window.onDidChangeActiveNotebookEditor(later),
      vscode.workspace.onDidChangeTextDocument((event) => { if (event.document.uri.toString() === this.uri) { later(); } }),
    ];
    later();
  }

  private refreshSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), PAUSE);
  }

  /** Ask the server again. A view of something else, say the settings, keeps what it shows. */
  public async refresh(): Promise<void> {
    this.uri = activeDocument()?.uri.toString() ?? this.uri;
    this.models = this.uri === undefined ? [] : await this.server.models(this.uri);
    this.arrange();
  }

  private arrange(): void {
    const error = this.schemes().at(-1);
    this.roots = this.models.flatMap((model) => {
      const branch = arranged(model.tree, this.order, this.filter, error);
      return branch === undefined ? [] : [{ model, branch, parent: undefined }];
    });
    this.view.message = this.filter === "" ? "" : vscode.l10n.t("Filter: {0}", this.filter);
    this.changed.fire(undefined);
  }

  private schemes(): string[] {
    return vscode.workspace.getConfiguration("bitlens").get<string[]>("hints.schemes", []).slice(0, 2);
  }

  public sort(order: Order): void {
    this.order = order;
    this.arrange();
  }

  /** A box whose text filters while it is typed; Escape brings the old filter back. */
  public async askFilter(): Promise<void> {
    const before = this.filter;
    const box = vscode.window.createInputBox();
    Object.assign(box, { title: vscode.l10n.t("Filter the model tree"), placeholder: vscode.l10n.t("part of a path, a type or a dtype"), value: before });
    box.onDidChangeValue((value) => { this.setFilter(value); });
    const accepted = await new Promise<boolean>((resolve) => {
      box.onDidAccept(() => { resolve(true); });
      box.onDidHide(() => { resolve(false); });
      box.show();
    });
    if (!accepted) {
      this.setFilter(before);
    }
    box.dispose();
  }

  public setFilter(text: string): void {
    this.filter = text;
    void vscode.commands.executeCommand("setContext", "bitlens.treeFiltered", text !== "");
    this.arrange();
  }

  /** Show the view with one model unfolded. */
  public async show(name: string | undefined): Promise<void> {
    await this.refresh();
    await vscode.commands.executeCommand("bitlens.modelTree.focus");
    const row = this.roots.find((root) => root.model.name === name) ?? this.roots[0];
    if (row !== undefined) {
      await this.view.reveal(row, { select: true, focus: true, expand: 2 });
    }
  }

  public getChildren(row?: Row): Row[] {
    return row === undefined ? this.roots : row.branch.children.map((branch) => ({ model: row.model, branch, parent: row }));
  }

  public getParent(row: Row): Row | undefined {
    return row.parent;
  }

  public getTreeItem(row: Row): vscode.TreeItem {
    const { node, path, children } = row.branch;
    const unfolded = row.parent === undefined || this.filter !== "" ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
    const item = new vscode.TreeItem(row.parent === undefined ? row.model.name : node.name, children.length === 0 ? vscode.TreeItemCollapsibleState.None : unfolded);
    const total = row.model.tree.bytes;
    const numbers = [size(node.bytes), node.dtype === null || node.children.length > 0 ? "" : dtype(node.dtype), ...this.schemes().map((id) => errorOf(row, id))].filter((word) => word !== "");
    item.id = `${row.model.name}\n${path}\n${this.filter}\n${this.order}`;
    item.description = [bar(total === 0 ? 0 : node.bytes / total), ...numbers].join(" ");
    item.tooltip = tooltip(row);
    item.accessibilityInformation = { label: [path || row.model.name, node.type ?? "", ...numbers].join(", ") };
    item.contextValue = row.parent === undefined ? "model" : node.uri === undefined ? "layer" : "layerHere";
    item.command = { command: "bitlens.revealLayer", title: vscode.l10n.t("Go to Line"), arguments: [row] };
    return item;
  }

  public dispose(): void {
    clearTimeout(this.timer);
    this.changed.dispose();
    this.subscriptions.forEach((one) => { one.dispose(); });
  }
}

function errorOf({ branch }: Row, id: string): string {
  const result = branch.node.schemes[id];
  return result === undefined ? "" : `${scheme(id)} ${result.relative_error === null ? "–" : share(result.relative_error)}`;
}

function tooltip({ branch, model }: Row): vscode.MarkdownString {
  const { node, path } = branch;
  const head = `**${node.type ?? model.class}** \`${path || model.name}\` · ${count(node.parameters)} · ${size(node.bytes)}`;
  const rows = Object.entries(node.schemes).map(([id, result]) => `| \`${id}\` | ${size(result.bytes)} | ${result.relative_error === null ? "–" : percent(result.relative_error)} |`);
  const header = `| ${vscode.l10n.t("scheme")} | ${vscode.l10n.t("bytes")} | ${vscode.l10n.t("weight error")} |\n| :-- | --: | --: |`;
  const table = rows.length === 0 ? [] : [[header, ...rows].join("\n")];
  return new vscode.MarkdownString([head, ...table, `${model.about} ${model.caution}`].join("\n\n"));
}

/** Go to the line that constructs a layer: in an open document, or in the file of a library. */
export async function revealRow(row: Row): Promise<void> {
  const { node } = row.branch;
  if (node.uri !== undefined && node.position !== undefined) {
    await reveal(vscode.Uri.parse(node.uri), node.position);
  } else if (node.file !== null && node.line !== null) {
    await reveal(vscode.Uri.file(node.file), node.line - 1);
  }
}
