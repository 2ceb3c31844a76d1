"""Finds modules as files, evaluates them on demand, and gives their members. Nothing is really imported."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitlens.problems import BitlensError
from bitlens.source.evaluate.compile_statements import Statements
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.scope import Frame
from bitlens.source.evaluate.values import MISSING, UNKNOWN, ClassValue, Control, Lazy, Unknown
from bitlens.source.statements import SourceFile, Statement, read
from bitlens.source.store import LoweredStore

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

_DEFINITION = re.compile(r"(?:async\s+def|def|class)\s+(\w+)")
OPAQUE = frozenset(
    [
        "numpy",
        "scipy",
        "pandas",
        "PIL",
        "cv2",
        "matplotlib",
        "sklearn",
        "skimage",
        "triton",
        "tensorflow",
        "jax",
        "flax",
        "sympy",
        "networkx",
        "tqdm",
        "requests",
        "yaml",
        "wandb",
        "tensorboard",
        "accelerate",
        "datasets",
        "tokenizers",
        "sentencepiece",
        "safetensors",
        "deepspeed",
        "apex",
        "xformers",
        "onnx",
        "flash_attn",
        "bitsandbytes",
        "peft",
        "pytest",
        "hypothesis",
        "librosa",
        "soundfile",
        "av",
        "decord",
        "numba",
        "cupy",
        "rich",
        "click",
        "fsspec",
        "aiohttp",
        "httpx",
        "filelock",
        "packaging",
        "regex",
        "pydantic",
        "IPython",
        "huggingface_hub",
        "attr",
        "attrs",
    ]
)
"""Packages whose text is not evaluated: what they give is unknown unless the evaluator provides it."""
MAXIMUM_FILE = 6_000_000
"""Characters of a file that is read."""


class Imports:
    """The modules of one machine, by name."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.paths: list[Path] = []
        self.own: list[Path] = []
        """Folders from which the program's own files are imported."""
        self.libraries: tuple[str, ...] = ()
        """Folders of installed packages, each with a separator at its end."""
        self.modules: dict[str, Namespace] = {}
        self.store: LoweredStore | None = None
        self.sources: dict[str, SourceFile] = {}
        self.evaluated = 0
        """Characters of the libraries' statements that were evaluated."""
        self.touched: set[str] = set()
        """Files of which a statement was lowered since the last `save`."""
        self.found: dict[str, tuple[Path, bool] | None] = {}
        self.plumbing: set[str] = set()
        self.stdlib: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
        self.fill: dict[str, Any] = {}
        """What is set in a module before its text is evaluated, by module name."""

    # Finding

    def locate(self, name: str) -> tuple[Path, bool] | None:
        """The file of a module and whether it is a package; (folder, True) without `__init__.py`."""
        if name not in self.found:
            self.found[name] = self._search(name)
        return self.found[name]

    def _search(self, name: str) -> tuple[Path, bool] | None:
        parent, _, last = name.rpartition(".")
        folders = self.paths
        if parent:
            found = self.locate(parent)
            if found is None or not found[1]:
                return None
            folders = [found[0] if found[0].is_dir() else found[0].parent]
        if not last.isidentifier():
            return None
        plain = None
        for folder in folders:
            if (folder / last / "__init__.py").is_file():
                return folder / last / "__init__.py", True
            if (folder / f"{last}.py").is_file():
                return folder / f"{last}.py", False
            if plain is None and (folder / last).is_dir():
                plain = folder / last, True
        return plain

    def exists(self, name: str) -> bool:
        """Whether a module can be imported, as far as the text says."""
        top = name.partition(".")[0]
        if name in self.modules or top in ("torch", "__future__"):
            return True
        return top in self.stdlib or self.locate(name) is not None

    def module(self, name: str) -> Namespace | None:
        """A module by its absolute name, not yet evaluated; None where there is no such module."""
        found = self.modules.get(name)
        if found is not None:
            return found
        top = name.partition(".")[0]
        if top == "torch" or top in OPAQUE or (top in self.stdlib and self.locate(name) is None):
            if top in OPAQUE and self.locate(top) is None and top not in self.modules:
                return None
            return self._opaque(name)
        place = self.locate(name)
        if place is None:
            return None
        made = Namespace(name, str(place[0]) if place[0].is_file() else None)
        made.is_package = place[1]
        made.attributes["__package__"] = name if place[1] else name.rpartition(".")[0]
        made.plumbing = name in self.plumbing
        self.modules[name] = made
        return made

    def _opaque(self, name: str) -> Namespace:
        made = Namespace(name)
        classes = self.machine.torch_classes if name.startswith(("torch.nn", "torch.ao")) else {}
        made.fallback = lambda member: classes.get(member) or Unknown(f"{name}.{member}")
        self.modules[name] = made
        return made

    # Evaluating

    def ensure(self, module: Namespace) -> None:
        """Evaluate a module's text if that has not begun."""
        if module.loaded or module.file is None:
            return
        module.loaded = True
        try:
            source = self.source(Path(module.file))
        except BitlensError as error:
            self.machine.problems.append(error.problem)
            return
        if not _fills_itself(module, source):
            self.execute(module, source)

    def source(self, path: Path) -> SourceFile:
        """The statements of a file. Raises BitlensError if it cannot be read."""
        name = str(path)
        found = self.sources.get(name)
        if found is None:
            found = self.sources[name] = read(path, self.store, library=self.in_library(name))
            if not found.stored:
                self.touched.add(name)
        return found

    def execute(self, module: Namespace, source: SourceFile) -> None:
        """Run a module's top-level statements; undecorated definitions wait until their name is asked for."""
        machine = self.machine
        saved = machine.tries, machine.uncertain, machine.errors
        oldest = machine.repetition.oldest
        machine.tries = machine.uncertain = 0
        machine.errors = []
        frame = Frame(module.vars, module)
        module.vars.update(self.fill.get(module.name, {}))
        fixed = set(self.fill.get(module.name, {}))
        machine.enter(frame)
        depth = machine.depth
        try:
            for statement in source.statements:
                self._run(statement, module, frame, fixed)
                machine.unwind(depth)
        finally:
            machine.unwind(depth)
            machine.leave()
            machine.repetition.oldest = oldest
            machine.tries, machine.uncertain, machine.errors = saved

    def _run(self, statement: Statement, module: Namespace, frame: Frame, fixed: set[str]) -> None:
        definition = _DEFINITION.match(statement.text)
        if definition is not None:
            name = definition.group(1)
            if name not in fixed:
                module.vars[name] = Lazy(lambda: self._define(statement, module, name))
                if self._registers(statement, module):
                    module.vars[name].force()
            return
        try:
            self._execute(statement, frame)
        except Control:
            raise
        except Exception as error:
            if not self.machine.recover(error, frame, statement.line):
                self._note(error, module, statement.line)

    def _registers(self, statement: Statement, module: Namespace) -> bool:
        """Whether making a class may do something else as well: its metaclass or `__init_subclass__` may
        register it.

        In a library only a metaclass or keyword that stands there counts; the user's own classes are all
        made.
        """
        if not statement.text.startswith("class"):
            return False
        if module.file is not None and not self.in_library(module.file):
            return True
        return "=" in statement.text.partition(":\n")[0].partition("\n")[0]

    def in_library(self, file: str) -> bool:
        """Whether a file belongs to an installed package."""
        return file.startswith(self.libraries)

    def _note(self, error: Exception, module: Namespace, line: int) -> None:
        from bitlens.source.evaluate.limits import describe

        self.machine.report("not-evaluated", f"evaluation stops here: {describe(error)}", module.file, line)

    def _execute(self, statement: Statement, frame: Frame) -> None:
        if frame.module.file is not None and not statement.library and not statement.is_lowered:
            self.touched.add(frame.module.file)
        if statement.library:
            self.evaluated += len(statement.text)
        compiler = Statements(self.machine, statement.line - 1)
        for node in statement.nodes:
            frame.line = statement.line
            compiler.statement(node)(frame)

    def _define(self, statement: Statement, module: Namespace, name: str) -> Any:
        machine = self.machine
        module.vars[name] = Unknown(f"{name}, which is being defined")
        saved = machine.tries, machine.uncertain, machine.errors
        oldest = machine.repetition.oldest
        machine.tries = machine.uncertain = 0
        machine.errors = []
        frame = Frame(module.vars, module)
        depth = machine.depth
        machine.enter(frame)
        try:
            self._execute(statement, frame)
        except Control:
            raise
        except Exception as error:
            self._note(error, module, statement.line)
        finally:
            machine.unwind(depth)
            # What a module does when it is read, it does once.
            machine.repetition.oldest = oldest
            machine.tries, machine.uncertain, machine.errors = saved
        return module.vars.get(name, UNKNOWN)

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
        if not _fills_itself(module, self.source(Path(module.file))):
            return MISSING
        if name.startswith("__"):
            return Unknown(f"{module.name}.{name}")
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
        files = sorted(
            folder.rglob("*.py"), key=lambda path: (not _fits(path, key), len(path.parts), str(path))
        )
        for path in files[:8000]:
            try:
                text = path.read_text("utf-8", "replace")
            except OSError:
                continue
            if name in text and pattern.search(text):
                return [path]
        return []

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
                frame.vars[name] = (
                    self._deferred(module, name) if name not in module.vars else module.vars[name]
                )

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

    def save(self) -> None:
        """Keep what was lowered since the last time in the store."""
        if self.store is None:
            return
        for name in self.touched:
            source = self.sources.get(name)
            if source is not None:
                source.save()
        self.touched.clear()


def _fills_itself(module: Namespace, source: SourceFile) -> bool:
    """Whether a package only names its members, and gets them from its files on demand."""
    return module.is_package and ("_LazyModule" in source.text or "lazy_loader" in source.text)


def _or_unknown(value: Any, name: str) -> Any:
    return Unknown(name) if value is MISSING else value


def _fits(path: Path, key: str) -> bool:
    """Whether a file's folder is named like the wanted member: `llama/modeling_llama.py` for `LlamaModel`."""
    folder = path.parent.name.replace("_", "")
    return bool(folder) and key.startswith(folder)


__all__ = ["MAXIMUM_FILE", "ClassValue", "Imports"]
