"""Installed distributions and their versions: `importlib.metadata`, `packaging.version`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bitlens.source.evaluate.callables import Native
from bitlens.source.evaluate.values import UNKNOWN, ClassValue

if TYPE_CHECKING:
    from bitlens.source.evaluate.machine import Machine

TORCH = "2.13.0"
"""The version of torch whose layers the evaluator knows, where none is installed."""

UNRELEASED = "999.0"
"""The version of a package that lies there as source and was never installed."""

_RELEASE = re.compile(r"\s*v?(\d+(?:\.\d+)*)")


class Version(tuple[int, ...]):
    """The numbers of a release, with the attributes and the order of packaging's class."""

    __slots__ = ()

    def _key(self) -> tuple[int, ...]:
        return tuple(self)[: max((place for place, part in enumerate(self, 1) if part), default=0)]

    def __lt__(self, other: Any) -> bool:
        return self._key() < Version(other)._key()

    def __le__(self, other: Any) -> bool:
        return self._key() <= Version(other)._key()

    def __gt__(self, other: Any) -> bool:
        return self._key() > Version(other)._key()

    def __ge__(self, other: Any) -> bool:
        return self._key() >= Version(other)._key()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and self._key() == Version(other)._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def base_version(self) -> str:
        """The numbers as text."""
        return ".".join(map(str, self))

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers as a plain tuple."""
        return tuple(self)

    @property
    def dev(self) -> None:
        """No number: a development version counts as its release."""
        return None

    pre = post = local = dev

    @property
    def is_prerelease(self) -> bool:
        """Never: see `dev`."""
        return False

    is_devrelease = is_postrelease = is_prerelease

    @property
    def major(self) -> int:
        """The first number."""
        return self._number(0)

    @property
    def minor(self) -> int:
        """The second number."""
        return self._number(1)

    @property
    def micro(self) -> int:
        """The third number."""
        return self._number(2)

    def _number(self, place: int) -> int:
        return self[place] if place < len(self) else 0

    def __str__(self) -> str:
        return self.base_version


def version_of(text: str) -> Version | None:
    """What `packaging.version.parse` makes of it, pre-releases taken for the release; None for no version."""
    found = _RELEASE.match(text)
    return Version(map(int, found[1].split("."))) if found else None


def installed(machine: Machine, name: str) -> str | None:
    """The version of a distribution, from its metadata in the environment; None where there is none."""
    from importlib.metadata import distributions

    paths = [str(path) for path in machine.imports.paths]
    found = next(iter(distributions(name=name, path=paths)), None)
    if found is not None:
        return found.version
    if name == "torch":
        return TORCH
    return None if machine.imports.locate(name.replace("-", "_")) is None else UNRELEASED


def metadata(machine: Machine) -> dict[str, Any]:
    """`importlib.metadata`."""
    missing = ClassValue("PackageNotFoundError", [machine.exceptions["ModuleNotFoundError"]], {})

    def version(args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = args[0] if args else kwargs.get("distribution_name")
        if not isinstance(name, str):
            return UNKNOWN
        found = installed(machine, name)
        if found is None:
            error = machine.error("ModuleNotFoundError", name)
            error.value.cls = missing
            raise error
        return found

    return {
        "version": Native("version", version),
        "PackageNotFoundError": missing,
        "packages_distributions": Native("p", lambda a, k: {}),
    }


def packaging_version(machine: Machine) -> dict[str, Any]:
    """`packaging.version`."""

    def parse(args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], Version):
            return args[0]
        found = version_of(args[0]) if isinstance(args[0], str) else None
        return UNKNOWN if found is None else found

    return {"parse": Native("parse", parse), "Version": Native("Version", parse)}
