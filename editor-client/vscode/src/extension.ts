import * as vscode from "vscode";
import { registerCommands, takeLens } from "./commands";
import { createLogger } from "./logger";
import { Notices } from "./notices";
import { Interpreters } from "./python";
import { Report } from "./report";
import { Server } from "./server";
import { needsRestart } from "./settings";
import { StatusItem } from "./status";
import { ModelTree } from "./tree";

let server: Server | undefined;

/** Builds the parts and joins them; the server starts by itself afterwards. */
export function activate(context: vscode.ExtensionContext): void {
  const started = performance.now();
  const log = createLogger();
  const notices = new Notices(log);
  const interpreters = new Interpreters(log);
  const running = (server = new Server(context, interpreters, log, notices));
  const tree = new ModelTree(running);
  const report = new Report(context);
  const parts = { server: running, notices, tree, report, log };
  running.takeCommand = async (command, args) => takeLens(parts, command, args);
  const restart = (): void => void running.restart();
  context.subscriptions.push(
    log, interpreters, running, tree, report, new StatusItem(running),
    ...registerCommands(parts),
    tree.onDidChangeTreeData(() => { report.update(tree.models); }),
    interpreters.onDidChange(restart),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (needsRestart(event)) {
        restart();
      } else if (event.affectsConfiguration("bitlens")) {
        void running.settingsChanged();
      }
    }),
  );
  void vscode.commands.executeCommand("setContext", "bitlens.active", true);
  restart();
  log.info(`activated in ${(performance.now() - started).toFixed(0)} ms`);
}

/** The editor closes, or the extension is switched off. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
