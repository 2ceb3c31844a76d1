"""Write what package.json says about settings: the server's, from their one declaration, and the version.

python editor-client/vscode/manifest.py          write package.json, its texts and the lock
python editor-client/vscode/manifest.py --check  exit 1 if they would change
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import bitlens
from bitlens.schemes import all_ids
from bitlens.settings import Declared, declared

HERE = Path(__file__).parent
FILES = ("package.json", "package.nls.json", "package-lock.json")
CLIENT_RESTRICTED = ["bitlens.path", "bitlens.args", "bitlens.cwd"]


def schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a setting's Python type."""
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    if get_origin(kind) is not None:
        return {"type": "object", "additionalProperties": schema(get_args(kind)[1])}
    return {"type": {bool: "boolean", int: "integer", float: "number", str: "string"}[kind]}


def setting(item: Declared) -> dict[str, Any]:
    """One entry of `contributes.configuration`."""
    entry = schema(item.type)
    if item.path[-1] == "schemes":
        entry["items"]["enum"] = list(all_ids())
    default = dict(item.default) if isinstance(item.default, Mapping) else item.default
    scope = "machine-overridable" if item.restricted else "resource"
    description = f"%settings.{item.editor}%"
    return {**entry, "default": default, "scope": scope, "markdownDescription": description}


def written() -> dict[str, dict[str, Any]]:
    """File name to its content."""
    files = {name: json.loads((HERE / name).read_text("utf-8")) for name in FILES}
    package, texts, lock = files.values()
    settings = list(declared())
    package["version"] = lock["version"] = lock["packages"][""]["version"] = bitlens.__version__
    package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = CLIENT_RESTRICTED + [
        f"bitlens.{item.editor}" for item in settings if item.restricted
    ]
    client, server = package["contributes"]["configuration"]
    server["properties"] = {f"bitlens.{item.editor}": setting(item) for item in settings}
    own = {f"settings.{name.removeprefix('bitlens.')}" for name in client["properties"]}
    kept = {key: text for key, text in texts.items() if not key.startswith("settings.") or key in own}
    files["package.nls.json"] = kept | {f"settings.{item.editor}": item.doc for item in settings}
    return files


def main(check: bool) -> int:
    """Write the files, or say whether they are as they would be written."""
    changed = []
    for name, content in written().items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if (HERE / name).read_text("utf-8") != text:
            changed.append(name)
            if not check:
                (HERE / name).write_text(text, "utf-8")
    print(f"{'out of date' if check else 'written'}: {', '.join(changed) or 'nothing'}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
