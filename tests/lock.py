"""Print the versions of all that the tests need, as installed here: what `make lock` keeps.

It starts at the requirement files and at bitlens itself, and follows what each distribution asks for; what
else is installed does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TESTS = Path(__file__).parent


def listed(name: str) -> list[Requirement]:
    """What a requirements file asks for."""
    lines = (TESTS / name).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def declared() -> list[Requirement]:
    """What bitlens asks for, to be built and to be used in every way."""
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))
    extras = chain.from_iterable(project["project"]["optional-dependencies"].values())
    texts = [*project["build-system"]["requires"], *project["project"]["dependencies"], *extras]
    return [Requirement(text) for text in texts]


def closure(wanted: Iterable[Requirement], no_deps: set[str]) -> dict[str, Distribution]:
    """Installed distributions by name; those of `no_deps` are not asked what they need."""
    found: dict[str, Distribution] = {}
    waiting = list(wanted)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        asked = waiting.pop()
        name, extras = canonicalize_name(asked.name), frozenset(asked.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        needs = [] if name in no_deps else map(Requirement, found[name].requires or [])
        waiting += [need for need in needs if applies(need, extras)]
    return found


def applies(need: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement holds on this machine, for one of the extras asked for."""
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def constraint(name: str, found: Distribution) -> str:
    """`name==version`, with no local build tag, and a marker where the version is not for Python 3.10."""
    needs = re.search(r">=\s*3\.(\d+)", found.metadata.get("Requires-Python") or "")
    marker = f' ; python_version >= "3.{needs[1]}"' if needs and int(needs[1]) > 10 else ""
    return f"{name}=={found.version.split('+')[0]}{marker}"


def main() -> None:
    """Write one sorted line for each distribution."""
    alone = [*listed("requirements-models.txt"), *listed("requirements-libraries.txt")]
    wanted = [*declared(), *listed("requirements.txt"), *alone]
    found = closure(wanted, {canonicalize_name(asked.name) for asked in alone})
    print("# Every version that the tests run with. Written by `make lock`.")
    print("\n".join(sorted(constraint(name, which) for name, which in found.items())))


if __name__ == "__main__":
    main()
