import type { Model } from "../model";

/** Everything that the report's page gets from the extension. */
export interface ReportData {
  readonly models: readonly Model[];
  readonly text: ReportText;
  /** Schemes of the table's error columns. */
  readonly schemes: readonly string[];
}

export type ReportText = Readonly<
  Record<
    "empty" | "model" | "treemap" | "layer" | "type" | "parameters" | "bytes" | "share" | "scheme" | "error" | "line" | "histogram" | "noHistogram" | "allLayers",
    string
  >
>;
