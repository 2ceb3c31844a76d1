"""Gives the members of modules, and what import statements ask for. Nothing is really imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.loading import Loader
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.self_filling import fills_itself, stated_origins
from bitlens.source.evaluate.values import MISSING, UNKNOWN, Lazy, Unknown

if TYPE_CHECKING:
    pass


class Imports(Loader):
    """The modules of one machine, by name."""

    # Members

    def attribute(self, module: Namespace, name: str) -> Any:
        """`module.name`. Raises the program's AttributeError."""
        value = self.get(module, name)
        if value is MISSING:
            raise self.machine.error("AttributeError", f"module {module.name!r} has no attribute {name!r}")
        return value

    def get(self, module: Namespace, name: str) -> Any:
        """A member of a module, a submodule included; MISSING where there is none."""
        self.ensure(module)
        value = module.vars.get(name, MISSING)
        if value is not MISSING:
            return value.force() if type(value) is Lazy else value
        if name in module.attributes:
            return module.attributes[name]
        if name == "__dict__":
            return module.vars
        itself = self.modules.get(module.name)
        if itself is not None and not isinstance(itself, Namespace):
            return self.machine.getattr(itself, name)
        special = module.vars.get("__getattr__", MISSING)
        if module.fallback is not None:
            return self._from_fallback(module, name)
        below = self.module(f"{module.name}.{name}") if module.name else None
        if below is not None:
            return below
        lazy = self._lazy_member(module, name)
        if lazy is not MISSING:
            return lazy
        if special is not MISSING:
            function = special.force() if type(special) is Lazy else special
            return self.machine.call(function, [name], {})
        return MISSING

    def _from_fallback(self, module: Namespace, name: str) -> Any:
        listed = self.modules.get(f"{module.name}.{name}")
        if listed is not None:
            return listed
        value = module.fallback(name)
        if value is not MISSING:
            module.vars[name] = value
        return value

    def _lazy_member(self, module: Namespace, name: str) -> Any:
        """A member of a package that fills itself on demand (`_LazyModule`, `lazy_loader`): look where it is
        defined."""
        if not module.is_package or module.file is None:
            return MISSING
        source = self.source(Path(module.file))
        if not fills_itself(module, source):
            return MISSING
        if name.startswith("__"):
            return Unknown(f"{module.name}.{name}")
        if module.origins is None:
            module.origins = stated_origins(source)
        if name in module.origins:
            origin, level, member = module.origins[name]
            stated = self.module(self.absolute(origin, level, module))
            value = self.get(stated, member) if stated is not None else MISSING
            if value is not MISSING:
                module.vars[name] = value
                return value
        for candidate in self._files_that_define(Path(module.file).parent, name):
            relative = candidate.relative_to(Path(module.file).parent).with_suffix("")
            found = self.module(".".join((module.name, *relative.parts)))
            value = self.get(found, name) if found is not None else MISSING
            if value is not MISSING:
                module.vars[name] = value
                return value
        return MISSING

    def _files_that_define(self, folder: Path, name: str) -> list[Path]:
        pattern = re.compile(
            rf"^(?:class|def)\s+{re.escape(name)}\b|^{re.escape(name)}\s*(?::[^=\n]*)?=", re.MULTILINE
        )
        key = "".join(character for character in name.lower() if character.isalnum())
        files = sorted(self._files_below(folder), key=lambda path: not _fits(path, key))
        for path in files[:8000]:
            try:
                text = path.read_text("utf-8", "replace")
            except OSError:
                continue
            if name in text and pattern.search(text):
                return [path]
        return []

    def _files_below(self, folder: Path) -> list[Path]:
        """The Python files of a folder, those near its top first; an installed folder is listed once."""
        found = self.listed.get(folder)
        if found is None:
            found = sorted(folder.rglob("*.py"), key=lambda path: (len(path.parts), str(path)))
            if self.in_library(str(folder)):
                self.listed[folder] = found
        return found

    def star(self, source: str | Namespace, frame: Frame) -> None:
        """`from source import *`."""
        module = self.module(source) if isinstance(source, str) else source
        if module is None:
            return
        self.ensure(module)
        names = module.vars.get("__all__")
        if not isinstance(names, list | tuple):
            names = [name for name in module.vars if not name.startswith("_")]
        for name in names:
            if isinstance(name, str):
                # A definition that waits is made once, in the module where it stands.
                value = module.vars.get(name)
                waits = name not in module.vars or type(value) is Lazy
                frame.vars[name] = self._deferred(module, name) if waits else value

    def _deferred(self, module: Namespace, name: str) -> Lazy:
        return Lazy(lambda: _or_unknown(self.get(module, name), name))

    # What import statements ask for

    def absolute(self, name: str, level: int, module: Namespace) -> str:
        """The absolute name of `from ..name import`."""
        if not level:
            return name
        base = module.name if module.is_package else module.name.rpartition(".")[0]
        for _ in range(level - 1):
            base = base.rpartition(".")[0]
        return f"{base}.{name}" if name and base else base or name

    def lazy(self, source: str, name: str, module: Namespace) -> Any:
        """`from source import name`, resolved when the name is used."""
        holder: dict[str, Any] = {}

        def force() -> Any:
            if "value" not in holder:
                holder["value"] = Unknown(f"{source}.{name}, which imports itself")
                own = self.module(f"{source}.{name}") if source == module.name else None
                holder["value"] = self.member(source, name, module, False) if own is None else own
            return holder["value"]

        return Lazy(force)

    def member(self, source: str, name: str, module: Namespace, guarded: bool) -> Any:
        """`from source import name` now; where it is missing an ImportError if guarded, else unknown."""
        found = self.module(source)
        value = MISSING
        if found is not None:
            value = self.get(found, name)
        if value is MISSING:
            if guarded:
                kind = "ImportError" if found is not None else "ModuleNotFoundError"
                raise self.machine.error(kind, f"cannot import {name!r} from {source!r}")
            return Unknown(f"{source}.{name}")
        return value

    def module_value(self, name: str, module: Namespace, guarded: bool) -> Any:
        """`import a.b as x`."""
        found = self.module(name)
        if found is None:
            if guarded:
                raise self.machine.error("ModuleNotFoundError", f"no module named {name!r}")
            return Unknown(f"the module {name!r}")
        return found

    def top_value(self, name: str, module: Namespace, guarded: bool) -> Any:
        """`import a.b`, which binds `a`."""
        self.module_value(name, module, guarded)
        return self.module_value(name.partition(".")[0], module, guarded)

    def by_name(self, name: Any, module: Namespace, package: str | None = None) -> Any:
        """`importlib.import_module(name, package)`."""
        if not isinstance(name, str):
            return UNKNOWN
        stripped = name.lstrip(".")
        level = len(name) - len(stripped)
        if level and package is not None:
            base = package
            for _ in range(level - 1):
                base = base.rpartition(".")[0]
            name = f"{base}.{stripped}" if stripped else base
        elif level:
            name = self.absolute(stripped, level, module)
        return self.module_value(name, module, True)


def _or_unknown(value: Any, name: str) -> Any:
    return Unknown(name) if value is MISSING else value


def _fits(path: Path, key: str) -> bool:
    """Whether a file's folder is named like the wanted member: `llama/modeling_llama.py` for `LlamaModel`."""
    folder = path.parent.name.replace("_", "")
    return bool(folder) and key.startswith(folder)
