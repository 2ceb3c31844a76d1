// Bundles the extension, the report's script, and (with --test) the unit tests.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const minify = process.argv.includes("--production");
const node = { bundle: true, platform: "node", target: "node20", format: "cjs", external: ["vscode"] };

if (process.argv.includes("--test")) {
  const entryPoints = readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
  await build({ ...node, entryPoints, outdir: "dist/test", outExtension: { ".js": ".cjs" } });
} else {
  await build({ ...node, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", minify });
  await build({
    entryPoints: ["src/webview/report.ts"], outfile: "dist/report.js",
    bundle: true, platform: "browser", target: "es2022", format: "iife", minify,
  });
}
