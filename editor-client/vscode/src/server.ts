import * as vscode from "vscode";
import type { CloseAction, ConfigurationParams, LanguageClient, LanguageClientOptions, Middleware, ServerOptions, State } from "vscode-languageclient/node";
import { Crashes } from "./crashes";
import { type Found, isTrouble } from "./finding";
import { type Launch, Launcher } from "./launch";
import { type Logger, messageOf } from "./logger";
import { isModels, type Model } from "./model";
import type { Notices } from "./notices";
import type { Interpreters } from "./python";
import { explicitSettings, readSettings, serverSettingNames } from "./settings";
import { troubleNotice } from "./trouble";

/** `bitlens/status`, sent by the server. */
export interface ServerStatus {
  readonly health: "ok" | "warning" | "error";
  readonly busy: boolean;
  readonly message: string;
  readonly device: string | null;
}

export type Phase = "stopped" | "starting" | "running" | "failed";

/** The client library. It is most of our code, so it is loaded after the activation, when a server starts. */
type Library = typeof import("vscode-languageclient/node");

/** A client that leaves it to us to tell the user something. */
function quietClient(library: Library, server: ServerOptions, options: LanguageClientOptions): LanguageClient {
  class QuietClient extends library.LanguageClient {
    public override error(message: string, data?: unknown): void {
      super.error(message, data, false);
    }
  }
  return new QuietClient("bitlens", "bitlens", server, options);
}

/** Takes over a command that the server's lenses name. Answers whether it did. */
export type CommandTaker = (command: string, args: unknown[]) => Promise<boolean>;

/** The language server's life: one at a time, started again when it must be. */
export class Server implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly crashes = new Crashes();
  private client: LanguageClient | undefined;
  private queue: Promise<void> = Promise.resolve();
  public readonly onDidChange = this.changed.event;
  public readonly launcher: Launcher;
  public phase: Phase = "stopped";
  public launch: Launch | undefined;
  public status: ServerStatus | undefined;
  public takeCommand: CommandTaker = async () => Promise.resolve(false);

  public constructor(
    private readonly context: vscode.ExtensionContext,
    interpreters: Interpreters,
    private readonly log: Logger,
    private readonly notices: Notices,
  ) {
    this.launcher = new Launcher(context, interpreters, log);
  }

  /** Start, or stop and start again. Calls that come meanwhile wait for their turn. */
  public async restart(): Promise<void> {
    this.crashes.forget();
    this.notices.withdraw("crash-loop", "start-failed");
    this.queue = this.queue.then(async () => this.halt()).then(async () => this.begin());
    return this.queue;
  }

  public async stop(): Promise<void> {
    this.queue = this.queue.then(async () => this.halt());
    return this.queue;
  }

  private async begin(): Promise<void> {
    this.enter("starting");
    const launch = await this.launcher.prepare();
    this.launch = launch;
    if (isTrouble(launch.found)) {
      this.enter("failed");
      void this.notices.show(troubleNotice(launch.found, this));
      return;
    }
    this.notices.withdraw("no-python", "old-python", "not-installed", "other-version");
    this.log.info(`server: ${describe(launch.found)}; interpreter: ${launch.interpreter?.path ?? "the server's choice"} (${launch.interpreter?.source ?? "none selected"})`);
    await this.connect(launch.found);
  }

  private async connect(found: Found): Promise<void> {
    const library = await import("vscode-languageclient/node");
    const client = quietClient(library, this.serverOptions(found), this.clientOptions(library));
    this.client = client;
    client.onDidChangeState(({ newState }) => { this.follow(library, client, newState); });
    client.onNotification("bitlens/status", (status: ServerStatus) => {
      this.status = status;
      this.changed.fire();
    });
    client.onNotification("window/showMessage", (params: { type: number; message: string }) => { this.say(params.type, params.message); });
    try {
      await client.start();
    } catch (error) {
      await this.startFailed(error);
    }
  }

  /** A process that ended at once is a crash, and told as such; that may be known a moment later than this. */
  private async startFailed(error: unknown): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (this.crashes.count === 0) {
      this.enter("failed");
      const message = vscode.l10n.t("The bitlens server did not start: {0}", messageOf(error));
      void this.notices.show({ code: "start-failed", severity: "error", message, button: vscode.l10n.t("Show Logs"), mend: () => { this.log.show(); } });
    }
  }

  private follow({ State: states }: Library, client: LanguageClient, state: State): void {
    if (client === this.client) {
      this.enter(state === states.Running ? "running" : state === states.Starting ? "starting" : this.phase === "failed" ? "failed" : "stopped");
    }
  }

  private say(type: number, message: string): void {
    const severity = type === 1 ? "error" : type === 2 ? "warning" : "information";
    void this.notices.show({ code: `server: ${message}`, answers: true, severity, message, button: vscode.l10n.t("Show Logs"), mend: () => { this.log.show(); } });
  }

  private async halt(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.status = undefined;
    await client?.stop(5000).catch((error: unknown) => { this.log.warn(messageOf(error)); });
    await client?.dispose().catch(() => undefined);
    this.enter("stopped");
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    void vscode.commands.executeCommand("setContext", "bitlens.running", phase === "running");
    void vscode.commands.executeCommand("setContext", "bitlens.offersQuantizeToFit", this.offers("bitlens.quantizeToFit"));
    this.changed.fire();
  }

  private serverOptions(found: Found): ServerOptions {
    const env = { ...process.env, PYTHONUNBUFFERED: "1", PYTHONUTF8: "1" };
    return { command: found.command, args: [...found.args, ...readSettings().args], options: { cwd: this.launcher.cwd, env } };
  }

  private clientOptions(library: Library): LanguageClientOptions {
    return {
      documentSelector: [
        { scheme: "file", language: "python" },
        { scheme: "untitled", language: "python" },
        { scheme: "vscode-notebook-cell", language: "python" },
      ],
      outputChannel: this.log,
      revealOutputChannelOn: library.RevealOutputChannelOn.Never,
      initializationOptions: () => ({
        trusted: vscode.workspace.isTrusted,
        statusNotifications: true,
        modelTree: true,
        settings: this.settingsFor(undefined),
      }),
      // The server's pictures are <img> tags with a data URI in its own hovers.
      markdown: { supportHtml: true },
      initializationFailedHandler: () => false,
      errorHandler: {
        error: (_error, _message, count) => ({ action: (count ?? 0) > 3 ? library.ErrorAction.Shutdown : library.ErrorAction.Continue, handled: true }),
        closed: () => this.closed(library),
      },
      middleware: this.middleware(),
    };
  }

  private middleware(): Middleware {
    return {
      workspace: {
        configuration: async (params: ConfigurationParams) =>
          Promise.resolve(params.items.map((item) => this.settingsFor(item.scopeUri === undefined ? undefined : vscode.Uri.parse(item.scopeUri)))),
      },
      executeCommand: async (command, args: unknown[], next) => ((await this.takeCommand(command, args)) ? undefined : (next(command, args) as unknown)),
    };
  }

  private settingsFor(scope: vscode.Uri | undefined): Record<string, unknown> {
    const settings = explicitSettings(scope, serverSettingNames(this.context.extension.packageJSON));
    const interpreter = this.launch?.interpreter?.path;
    return interpreter === undefined ? settings : { ...settings, interpreter };
  }

  private closed(library: Library): { action: CloseAction; handled: true } {
    if (this.crashes.again()) {
      this.log.warn(`the server stopped by itself and is started again (${this.crashes.count})`);
      return { action: library.CloseAction.Restart, handled: true };
    }
    this.phase = "failed";
    const message = vscode.l10n.t("The bitlens server keeps stopping by itself ({0} times in three minutes).", this.crashes.count);
    void this.notices.show({ code: "crash-loop", severity: "error", message, button: vscode.l10n.t("Restart Server"), mend: async () => this.restart() });
    return { action: library.CloseAction.DoNotRestart, handled: true };
  }

  /** The server asks for its settings again. */
  public async settingsChanged(): Promise<void> {
    await this.running?.sendNotification("workspace/didChangeConfiguration", { settings: null });
  }

  /** Whether the running server has a command. */
  public offers(command: string): boolean {
    return this.client?.initializeResult?.capabilities.executeCommandProvider?.commands.includes(command) ?? false;
  }

  /** The client, where it runs. */
  public get running(): LanguageClient | undefined {
    return this.client?.isRunning() === true ? this.client : undefined;
  }

  /** Ask the server to carry out one of its commands. */
  public async execute(command: string, ...args: unknown[]): Promise<unknown> {
    return this.running?.sendRequest("workspace/executeCommand", { command, arguments: args });
  }

  /** The models of the program to which a document belongs. */
  public async models(uri: string): Promise<readonly Model[]> {
    const found: unknown = await this.running?.sendRequest("bitlens/models", { uri }).catch((error: unknown) => { this.log.debug(messageOf(error)); });
    return isModels(found) ? found : [];
  }

  public dispose(): void {
    this.changed.dispose();
  }
}

/** `bundled copy 0.1.0, run by /usr/bin/python3`, for the log and the status item. */
export function describe(found: Found): string {
  const what = {
    path: vscode.l10n.t("the setting bitlens.path"),
    environment: vscode.l10n.t("the selected environment"),
    bundled: vscode.l10n.t("the copy that comes with the extension"),
    installed: vscode.l10n.t("the extension's own environment"),
  };
  return `${what[found.kind]}${found.version === undefined ? "" : `, bitlens ${found.version}`}: ${found.command}`;
}
