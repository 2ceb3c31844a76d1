"""Entry point: `python PATH/TO/bitlens/worker`, jobs on standard input, events on standard output.

Run by path with the user's interpreter. The folder above the package is on sys.path only while `bitlens` is
imported: were it to stay, the user's program would import from our site-packages.
"""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _import_package() -> None:
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or os.curdir) != _HERE]
    parent = os.path.dirname(os.path.dirname(_HERE))
    sys.path.insert(0, parent)
    try:
        import bitlens  # noqa: F401 (its __path__ finds the submodules from now on)
    finally:
        sys.path.remove(parent)


if __name__ == "__main__":
    _import_package()
    from bitlens.worker.jobs import serve

    sys.exit(serve())
