"""VS Code as a web page: starts and ends a code-server with folders of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

QUIET = {
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.editorAssociations": {"*.ipynb": "jupyter-notebook"},
    "workbench.tips.enabled": False,
    "chat.disableAIFeatures": True,
    "telemetry.telemetryLevel": "off",
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "editor.minimap.enabled": False,
    "editor.lightbulb.enabled": "off",
    "window.autoDetectColorScheme": False,
    "python.experiments.enabled": False,
}


@dataclass
class CodeServer:
    """A running code-server; `user` is its user-data-dir."""

    tools: Path
    user: Path
    extensions: Path
    trusted: bool = True
    locale: str = "en"
    path: str = ""
    """PATH of the window's programs; empty for this process' own."""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        """Arguments that every use of it needs."""
        config = self.user / "code-server.yaml"
        config.write_text("{}\n")
        modules = self.tools / "node_modules"
        node = modules / ".bin" / "node"
        entry = modules / "code-server" / "out" / "node" / "entry.js"
        folders = ["--user-data-dir", str(self.user), "--extensions-dir", str(self.extensions)]
        return [str(node), str(entry), "--config", str(config), *folders, *arguments]

    def install(self, vsix: Path) -> None:
        """Put an extension into its extensions folder."""
        command = self.command("--install-extension", str(vsix))
        ended = subprocess.run(command, capture_output=True, text=True, env=self.environment())
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def environment(self) -> dict[str, str]:
        """Nothing of the virtual environment that runs the tests: it would be found as an active one."""
        kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
        path = self.path or ":".join(part for part in kept["PATH"].split(":") if ".venv" not in part)
        # Without VSCODE_CLI it asks a login shell for more of an environment, PATH among it.
        return kept | {
            "PATH": path,
            "VSCODE_CLI": "1",
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(self.user / "cache"),
        }

    def settings(self, **values: Any) -> None:
        """Write the user's settings, and the machine's, from where machine settings are read."""
        for folder, content in (("User", QUIET), ("Machine", values)):
            file = self.user / folder / "settings.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")

    def start(self) -> CodeServer:
        """Start it and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        trust = ["--disable-workspace-trust"] if self.trusted else []
        wanted = ["--auth", "none", "--bind-addr", f"127.0.0.1:{self.port}", "--reconnection-grace-time", "2"]
        command = self.command(
            *wanted, "--locale", self.locale, "--disable-update-check", "--disable-telemetry", *trust
        )
        with (self.user / "code-server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=self.environment()
            )
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.2)
        raise TimeoutError((self.user / "code-server.log").read_text())

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def stop(self) -> None:
        """End it and everything that it started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)

    def url(self, folder: Path, file: Path) -> str:
        """The page that has a folder and one of its files open."""
        opened = f"vscode-remote://127.0.0.1:{self.port}{quote(str(file))}"
        payload = quote(json.dumps([["openFile", opened]]))
        return f"http://127.0.0.1:{self.port}/?folder={quote(str(folder))}&payload={payload}"


def machine_settings(python: Path, more: Mapping[str, Any]) -> dict[str, Any]:
    """What the tests' users set: the interpreter that has torch."""
    return {"bitlens.interpreter": str(python), **more}
