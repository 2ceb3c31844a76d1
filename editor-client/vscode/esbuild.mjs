// Bundles the extension, the client library beside it, the report's script, and (with --test) the unit tests.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const minify = process.argv.includes("--production");
const node = { bundle: true, platform: "node", target: "node20", format: "cjs", external: ["vscode"], supported: { "dynamic-import": false } };
const LIBRARY = "vscode-languageclient/node";

// Nine tenths of the code are the library's. In a file of its own it is read when a server starts, not when the
// editor activates the extension.
const apart = {
  name: "library-apart",
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^${LIBRARY}$`) }, () => ({ path: "./client.js", external: true }));
  },
};

if (process.argv.includes("--test")) {
  const entryPoints = readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
  await build({ ...node, entryPoints, outdir: "dist/test", outExtension: { ".js": ".cjs" } });
} else {
  await build({ ...node, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", minify, plugins: [apart] });
  await build({ ...node, entryPoints: { client: LIBRARY }, outdir: "dist", minify });
  await build({
    entryPoints: ["src/webview/report.ts"], outfile: "dist/report.js",
    bundle: true, platform: "browser", target: "es2022", format: "iife", minify,
  });
}
