"""Stand-ins for extensions that are not to be had here: the Python extensions with their public interface,
and a language pack without texts, which switches VS Code and its extensions to Chinese all the same.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

PYTHON = """
const changed = new vscode.EventEmitter();
const environments = {
  getActiveEnvironmentPath: () => ({ id: "x", path: selected }),
  resolveEnvironment: async (one) => ({ executable: { uri: vscode.Uri.file(one.path) } }),
  onDidChangeActiveEnvironmentPath: changed.event,
};
const api = { environments };
"""
ENVIRONMENTS = """
const changed = new vscode.EventEmitter();
const getEnvironment = async () => ({ execInfo: { run: { executable: selected } } });
const api = { getEnvironment, onDidChangeEnvironment: changed.event };
"""
MAIN = """
const vscode = require("vscode");
let selected = FIRST;
API
exports.activate = (context) => {
  const change = () => { selected = SECOND; changed.fire({}); };
  context.subscriptions.push(vscode.commands.registerCommand("standIn.change", change));
  return api;
};
"""


def pack(vsix: Path, name: str, api: str, first: Path, second: Path) -> Path:
    """Write an extension `ms-python.NAME` that has `first` selected, and `second` after its command."""
    code = MAIN.replace("API", api).replace("FIRST", json.dumps(str(first)))
    described = {
        "name": name,
        "publisher": "ms-python",
        "version": "99.0.0",
        "engines": {"vscode": "^1.91.0"},
        "main": "./main.js",
        "contributes": {"commands": [{"command": "standIn.change", "title": "Change Stand-In"}]},
    }
    files = {"main.js": code.replace("SECOND", json.dumps(str(second)))}
    return _write(vsix, described, files)


def language_pack(user: Path) -> None:
    """Write what installing a language pack leaves in a user-data-dir: Simplified Chinese, of one text."""
    texts = user / "main.i18n.json"
    contents = {"vs/base/common/date": {"date.fromNow.now": "现在"}}
    texts.write_text(json.dumps({"version": "1.0.0", "contents": contents}), "utf-8")
    extension = {"extensionIdentifier": {"id": "stand-in.zh"}, "version": "99.0.0"}
    translations = {"vscode": str(texts)}
    pack = {"hash": "x", "label": "中文", "extensions": [extension], "translations": translations}
    (user / "languagepacks.json").write_text(json.dumps({"zh-cn": pack}), "utf-8")


def _write(vsix: Path, described: dict[str, object], files: dict[str, str]) -> Path:
    names = f'Id="{described["name"]}" Version="99.0.0" Publisher="{described["publisher"]}"'
    identity = f'<Identity Language="en-US" {names} />'
    space = "http://schemas.microsoft.com/developer/vsx-schema/2011"
    manifest = (
        f'<PackageManifest Version="2.0.0" xmlns="{space}"><Metadata>{identity}</Metadata></PackageManifest>'
    )
    with zipfile.ZipFile(vsix, "w") as package:
        package.writestr("extension.vsixmanifest", manifest)
        package.writestr("extension/package.json", json.dumps(described))
        for name, text in files.items():
            package.writestr(f"extension/{name}", text)
    return vsix
