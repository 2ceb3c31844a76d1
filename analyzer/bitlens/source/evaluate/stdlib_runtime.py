"""The interpreter and what surrounds it: `os`, `sys`, `importlib`, `inspect`, `contextlib` …"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import BoundMethod, Function, Native, PropertyValue
from bitlens.source.evaluate.distributions import metadata, packaging_version
from bitlens.source.evaluate.namespace import Namespace
from bitlens.source.evaluate.passing import passing
from bitlens.source.evaluate.signatures import signature_tools
from bitlens.source.evaluate.text_files import listing
from bitlens.source.evaluate.values import UNKNOWN, ClassValue, Instance

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine


def _os(machine: Machine) -> dict[str, Any]:
    environ = {"HOME": "/"}
    getenv = Native("getenv", lambda args, kwargs: args[1] if len(args) > 1 else kwargs.get("default"))
    return {
        "environ": environ,
        "getenv": getenv,
        "sep": "/",
        "PathLike": ClassValue("PathLike", [], {}),
        "name": "posix",
        "listdir": Native("listdir", lambda args, kwargs: listing(machine, args, kwargs)),
        "getcwd": Native("getcwd", lambda args, kwargs: "."),
        "fspath": Native("fspath", lambda args, kwargs: machine.files.name(args[0]) or UNKNOWN),
        "makedirs": Native("makedirs", lambda args, kwargs: None),
    }


def _sys(machine: Machine) -> dict[str, Any]:
    version = Instance(ClassValue("version_info", [tuple], {}))
    version.host = (3, 12, 0, "final", 0)
    version.attrs.update(major=3, minor=12, micro=0, releaselevel="final", serial=0)
    modules: dict[str, Any] = machine.imports.modules
    return {
        "version_info": version,
        "platform": "linux",
        "modules": modules,
        "maxsize": 2**63 - 1,
        "argv": [""],
        "path": [],
    }


def _contextlib(machine: Machine) -> dict[str, Any]:
    def suppress(args: list[Any], kwargs: dict[str, Any]) -> Any:
        made = passing()
        made.attrs["suppressed"] = tuple(args)
        return made

    return {
        "contextmanager": Native("contextmanager", lambda args, kwargs: args[0]),
        "nullcontext": Native("nullcontext", lambda args, kwargs: passing()),
        "suppress": Native("suppress", suppress),
        "ExitStack": Native("ExitStack", lambda args, kwargs: passing()),
        "AbstractContextManager": ClassValue("AbstractContextManager", [], {}),
        "ContextDecorator": ClassValue("ContextDecorator", [], {}),
    }


def _importlib(machine: Machine) -> dict[str, Any]:
    def import_module(args: list[Any], kwargs: dict[str, Any]) -> Any:
        package = kwargs.get("package", args[1] if len(args) > 1 else None)
        return machine.imports.by_name(
            args[0], machine.frames[-1].module, package if isinstance(package, str) else None
        )

    return {"import_module": Native("import_module", import_module)}


def _importlib_util(machine: Machine) -> dict[str, Any]:
    def find_spec(args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = args[0]
        return UNKNOWN if not isinstance(name, str) else (passing() if machine.imports.exists(name) else None)

    return {"find_spec": Native("find_spec", find_spec)}


def _argparse(machine: Machine) -> dict[str, Any]:
    from bitlens.source.evaluate.argument_parser import parser_class

    return {
        "ArgumentParser": parser_class(machine),
        "Namespace": machine.imports.modules["types"].vars["SimpleNamespace"],
    }


def _warnings(machine: Machine) -> dict[str, Any]:
    return {
        "warn": Native("warn", lambda args, kwargs: None),
        "filterwarnings": Native("filter", lambda args, kwargs: None),
    }


def _frame(machine: Machine, depth: int) -> Any:
    """A running function as `inspect.currentframe` gives it: its names and its caller."""
    if depth < 0:
        return None
    frame = machine.frames[depth]
    made = Instance(ClassValue("frame", [], {}))
    made.attrs.update(f_locals=frame.vars, f_globals=frame.module.vars, f_lineno=frame.line)
    made.cls.ns["f_back"] = PropertyValue(Native("f_back", lambda args, kwargs: _frame(machine, depth - 1)))
    return made


def _inspect(machine: Machine) -> dict[str, Any]:
    return {
        **signature_tools(machine),
        "currentframe": Native("currentframe", lambda args, kwargs: _frame(machine, len(machine.frames) - 1)),
        "getmro": Native("getmro", lambda args, kwargs: machine.getattr(args[0], "__mro__")),
        "isclass": Native("isclass", lambda args, kwargs: isinstance(args[0], ClassValue | type)),
        "isfunction": Native("isfunction", lambda args, kwargs: isinstance(args[0], Function)),
        "ismodule": Native("ismodule", lambda args, kwargs: isinstance(args[0], Namespace)),
        "ismethod": Native("ismethod", lambda args, kwargs: isinstance(args[0], BoundMethod)),
        "get_annotations": Native(
            "get_annotations", lambda args, kwargs: machine.classes.annotations(args[0])
        ),
    }


def _unittest(machine: Machine) -> dict[str, Any]:
    given = Native("given", lambda args, kwargs: args[0] if args else UNKNOWN)
    skips = {name: Native(name, lambda args, kwargs: given) for name in ("skip", "skipIf", "skipUnless")}
    return {**skips, "expectedFailure": given}


MODULES: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "os": _os,
    "sys": _sys,
    "contextlib": _contextlib,
    "importlib": _importlib,
    "importlib.util": _importlib_util,
    "importlib.metadata": metadata,
    "packaging.version": packaging_version,
    "warnings": _warnings,
    "inspect": _inspect,
    "argparse": _argparse,
    "unittest": _unittest,
}
