"""Print the versions installed here as constraints: what `make lock` keeps for the tests."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions

OURS = {"bitlens", "pip", "setuptools", "wheel"}


def constraint(found: Distribution) -> str:
    """`name==version`, with no local build tag, and a marker where the version is not for Python 3.10."""
    name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
    version = found.version.split("+")[0]
    needs = re.search(r">=\s*3\.(\d+)", found.metadata.get("Requires-Python") or "")
    marker = f' ; python_version >= "3.{needs[1]}"' if needs and int(needs[1]) > 10 else ""
    return f"{name}=={version}{marker}"


def main() -> None:
    """Write one sorted line for each distribution."""
    print("# Every version that the tests run with. Written by `make lock`.")
    lines = {constraint(found) for found in distributions() if found.metadata["Name"].lower() not in OURS}
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
