"""What was typed as options of a measurement; what was not typed keeps its default or the project's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from bitlens import schemes
from bitlens.measuring import Options
from bitlens.problems import BitlensError, Problem

_SAME_NAME = (
    "python",
    "device",
    "allow_network",
    "time_limit",
    "memory_limit",
    "model",
    "config",
    "estimate",
)


_UNSAID = Options()


def options(arguments: argparse.Namespace, otherwise: Options = _UNSAID) -> Options:
    """The options of a measurement: what was typed, the rest from `otherwise`.

    Raises BitlensError (`unknown-scheme`).
    """
    typed = {name: getattr(arguments, name, None) for name in _SAME_NAME}
    given = {name: value for name, value in typed.items() if value is not None}
    asked = getattr(arguments, "scheme", None)
    if getattr(arguments, "backend", None):
        given["schemes"] = (backend_scheme(arguments.backend),)
    elif asked:
        given["schemes"] = _scheme_ids(asked)
    return replace(otherwise, **given)


def _scheme_ids(asked: Sequence[str]) -> tuple[str, ...]:
    """The ids asked for, each once, in that order."""
    if "all" in asked:
        return schemes.all_ids()
    return tuple(dict.fromkeys(map(_id, asked)))


def backend_scheme(name: str) -> str:
    """The id of a scheme, or the one that a library's short name means. Raises BitlensError."""
    from bitlens import backends

    return _id(backends.scheme_named(name))


def _id(name: str) -> str:
    try:
        return schemes.get(name).id
    except schemes.UnknownScheme as error:
        message = f"{error}. All of them: bitlens schemes"
        raise BitlensError(Problem("unknown-scheme", message)) from error
