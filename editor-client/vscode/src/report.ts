import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Model } from "./model";
import { leaves } from "./model";
import { reveal } from "./documents";
import type { ReportData, ReportText } from "./webview/data";

/** What the report's page asks for. */
interface Wish {
  readonly kind: "ready" | "reveal";
  readonly model?: number;
  readonly path?: string;
}

/** The report beside the editor: treemap of memory, schemes and weights of a layer. One panel for all. */
export class Report implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private models: readonly Model[] = [];

  public constructor(private readonly context: vscode.ExtensionContext) {}

  public show(models: readonly Model[]): void {
    this.models = models;
    if (this.panel === undefined) {
      this.panel = this.open();
    } else {
      this.panel.reveal(undefined, true);
      void this.send();
    }
  }

  /** New numbers, for a report that is open. */
  public update(models: readonly Model[]): void {
    if (this.panel !== undefined && models.length > 0) {
      this.models = models;
      void this.send();
    }
  }

  private open(): vscode.WebviewPanel {
    const roots = ["dist", "media"].map((name) => vscode.Uri.joinPath(this.context.extensionUri, name));
    const title = vscode.l10n.t("Model Report");
    const panel = vscode.window.createWebviewPanel("bitlens.report", title, vscode.ViewColumn.Beside, { enableScripts: true, localResourceRoots: roots, retainContextWhenHidden: true });
    panel.iconPath = vscode.Uri.joinPath(this.context.extensionUri, "media", "icon.png");
    panel.webview.onDidReceiveMessage((wish: Wish) => void this.take(wish));
    panel.onDidDispose(() => { this.panel = undefined; });
    panel.webview.html = this.page(panel.webview);
    return panel;
  }

  private page(webview: vscode.Webview): string {
    const file = (...path: string[]): string => webview.asWebviewUri(vscode.Uri.joinPath(this.context.extensionUri, ...path)).toString();
    const nonce = randomBytes(16).toString("hex");
    return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${file("media", "report.css")}">
<title>bitlens</title>
</head>
<body><main id="report"></main><script nonce="${nonce}" src="${file("dist", "report.js")}"></script></body>
</html>`;
  }

  private async send(): Promise<void> {
    const data: ReportData = { models: this.models, text: text(), schemes: vscode.workspace.getConfiguration("bitlens").get<string[]>("hints.schemes", []) };
    await this.panel?.webview.postMessage(data);
  }

  private async take(wish: Wish): Promise<void> {
    if (wish.kind === "ready") {
      await this.send();
      return;
    }
    const model = this.models[wish.model ?? 0];
    const found = model && [...leaves(model.tree)].find((leaf) => leaf.path === wish.path)?.node;
    if (found?.uri !== undefined && found.position !== undefined) {
      await reveal(vscode.Uri.parse(found.uri), found.position);
    } else if (found?.file != null && found.line !== null) {
      await reveal(vscode.Uri.file(found.file), found.line - 1);
    }
  }

  public dispose(): void {
    this.panel?.dispose();
  }
}

function text(): ReportText {
  return {
    empty: vscode.l10n.t("Nothing is known of a model here yet; measure it first."),
    model: vscode.l10n.t("Model"),
    treemap: vscode.l10n.t("Memory by layer. Arrow keys move, Enter goes to the line."),
    layer: vscode.l10n.t("layer"),
    type: vscode.l10n.t("type"),
    parameters: vscode.l10n.t("parameters"),
    bytes: vscode.l10n.t("bytes"),
    share: vscode.l10n.t("share"),
    scheme: vscode.l10n.t("scheme"),
    error: vscode.l10n.t("weight error"),
    line: vscode.l10n.t("Go to Line"),
    histogram: vscode.l10n.t("Histogram of the weights"),
    noHistogram: vscode.l10n.t("No values are known of this layer's weights, so there is no histogram."),
    allLayers: vscode.l10n.t("All layers"),
  };
}
