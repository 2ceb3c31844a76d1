import * as vscode from "vscode";
import type { Logger } from "./logger";
import { readSettings } from "./settings";

/** One message with one button that mends what it says. */
export interface Notice {
  /** A notice is shown once until it is withdrawn, however often it comes up. */
  readonly code: string;
  /** It answers something that the user did: once closed, it may come again. */
  readonly answers?: true;
  readonly severity: "error" | "warning" | "information";
  readonly message: string;
  readonly button: string;
  readonly mend: () => unknown;
}

const WEIGHT = { error: 3, warning: 2, information: 1 };
const LEAST = { off: 4, onError: 3, onWarning: 2, always: 1 };

/** Everything that pops up goes through here. */
export class Notices {
  private readonly shown = new Set<string>();

  public constructor(private readonly log: Logger) {}

  public async show(notice: Notice): Promise<void> {
    if (this.shown.has(notice.code)) {
      return;
    }
    this.shown.add(notice.code);
    this.log[notice.severity === "information" ? "info" : notice.severity === "warning" ? "warn" : "error"](notice.message);
    if (WEIGHT[notice.severity] < LEAST[readSettings().showNotifications]) {
      return;
    }
    const show = { error: vscode.window.showErrorMessage, warning: vscode.window.showWarningMessage, information: vscode.window.showInformationMessage };
    const chosen = await show[notice.severity](notice.message, notice.button);
    if (chosen !== undefined || notice.answers) {
      this.shown.delete(notice.code);
    }
    if (chosen !== undefined) {
      await notice.mend();
    }
  }

  /** What a notice said is over: should it come back, it is shown again. */
  public withdraw(...codes: readonly string[]): void {
    codes.forEach((code) => this.shown.delete(code));
  }
}
