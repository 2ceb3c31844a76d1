import * as vscode from "vscode";
import { type Logger, messageOf } from "./logger";
import { readSettings } from "./settings";

/** The interpreter that the user selected, and who says so. */
export interface Interpreter {
  readonly path: string;
  readonly source: "Python Environments" | "Python" | "bitlens.interpreter";
}

/** What we use of the extension ms-python.vscode-python-envs. */
interface EnvironmentsApi {
  getEnvironment(scope: vscode.Uri | undefined): Promise<{ execInfo: { run: { executable: string } } } | undefined>;
  onDidChangeEnvironment: vscode.Event<unknown>;
}

/** What we use of the extension ms-python.python. */
interface PythonApi {
  environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(path: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
    onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

const PATIENCE = 10_000;

/** Asks whoever knows: Python Environments, then ms-python, then the setting. None of them need be there. */
export class Interpreters implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly listening = new Map<string, vscode.Disposable>();
  public readonly onDidChange = this.changed.event;

  public constructor(private readonly log: Logger) {}

  public async selected(scope: vscode.Uri | undefined): Promise<Interpreter | undefined> {
    return (await this.fromEnvironments(scope)) ?? (await this.fromPython(scope)) ?? this.fromSetting();
  }

  private async fromEnvironments(scope: vscode.Uri | undefined): Promise<Interpreter | undefined> {
    const api = await this.api<EnvironmentsApi>("ms-python.vscode-python-envs", (found) => found.onDidChangeEnvironment);
    const environment = await this.ask(async () => api?.getEnvironment(scope));
    const path = environment?.execInfo.run.executable;
    return path === undefined ? undefined : { path, source: "Python Environments" };
  }

  private async fromPython(scope: vscode.Uri | undefined): Promise<Interpreter | undefined> {
    const api = await this.api<PythonApi>("ms-python.python", (found) => found.environments.onDidChangeActiveEnvironmentPath);
    const environment = await this.ask(async () => api?.environments.resolveEnvironment(api.environments.getActiveEnvironmentPath(scope)));
    const path = environment?.executable.uri?.fsPath;
    return path === undefined ? undefined : { path, source: "Python" };
  }

  private fromSetting(): Interpreter | undefined {
    const path = readSettings().interpreter;
    return path === "" ? undefined : { path, source: "bitlens.interpreter" };
  }

  private async api<T>(id: string, event: (api: T) => vscode.Event<unknown>): Promise<T | undefined> {
    const extension = vscode.extensions.getExtension<T>(id);
    const api = await this.ask(async () => extension?.activate());
    if (api !== undefined && !this.listening.has(id)) {
      this.listening.set(id, event(api)(() => { this.changed.fire(); }));
    }
    return api;
  }

  /** The answer of another extension, which may fail or hang. */
  private async ask<T>(question: () => Promise<T | undefined>): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => { resolve(undefined); }, PATIENCE);
    });
    try {
      return await Promise.race([question(), late]);
    } catch (error) {
      this.log.warn(`another extension failed: ${messageOf(error)}`);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  public dispose(): void {
    this.changed.dispose();
    this.listening.forEach((listener) => { listener.dispose(); });
  }
}
