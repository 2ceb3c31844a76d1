"""Settings from the editor and from `[tool.bitlens]`, resolved for each file and live on change.

The editor's values win; a value that the editor leaves out (or sends as null) is the project's, then the
default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitlens import project
from bitlens.problems import BitlensError
from bitlens.rules import unknown
from bitlens.settings import Settings, resolve


class SettingsStore:
    """What the editor sent for each workspace folder, and the projects' files."""

    def __init__(self) -> None:
        self._client: dict[Path | None, Mapping[str, Any]] = {}
        self._told: set[str] = set()
        self._overrides: dict[str, Any] = {}
        self._resolved: dict[Path, tuple[Settings, tuple[str, ...]]] = {}

    def set_client(self, folder: Path | None, values: object) -> None:
        """What the editor says for a folder, or for everything outside of folders."""
        self._client[folder] = values if isinstance(values, Mapping) else {}
        self.forget()

    def toggle(self) -> str:
        """Switch hints off, or back to what the settings say; the preset that holds now, empty for the
        settings'.
        """
        self._overrides = {} if self._overrides else {"hints": {"preset": "off"}}
        self.forget()
        return "off" if self._overrides else ""

    def forget(self) -> None:
        """A project's file may have changed."""
        self._resolved.clear()

    def of(self, path: Path) -> Settings:
        """The settings for a file."""
        return self._of(path.absolute().parent)[0]

    def new_complaints(self, path: Path) -> tuple[str, ...]:
        """What is wrong in the settings for a file and was not told yet."""
        wrong = [one for one in self._of(path.absolute().parent)[1] if one not in self._told]
        self._told.update(wrong)
        return tuple(wrong)

    def _of(self, folder: Path) -> tuple[Settings, tuple[str, ...]]:
        if folder not in self._resolved:
            name, table, unreadable = _project(folder)
            client = self._client_values(folder)
            settings, wrong = resolve(
                (name, table, False), ("editor", client, True), ("command", self._overrides, True)
            )
            self._resolved[folder] = settings, (*unreadable, *wrong, *unknown(settings))
        return self._resolved[folder]

    def _client_values(self, folder: Path) -> Mapping[str, Any]:
        inside = [known for known in self._client if known is not None and folder.is_relative_to(known)]
        nearest = max(inside, key=lambda known: len(known.parts), default=None)
        return self._client.get(nearest, {})


def _project(folder: Path) -> tuple[str, Mapping[str, Any], tuple[str, ...]]:
    """The nearest `[tool.bitlens]` above a folder, and what is wrong where a file cannot be read."""
    try:
        return (*project.table(folder), ())
    except BitlensError as error:
        problem = error.problem
        return project.FILE, {}, (f"{problem.file}: {problem.message}",)
