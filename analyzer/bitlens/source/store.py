"""What was found out about sources, kept on disk between runs.

One file for each source text, named by its hash: a header, a checksum, and for each statement where it
stands, where the bodies of its functions do, and either nothing or its pickled, compressed nodes. Reading
trusts nothing: a wrong header or checksum, or a pickle that names anything but `ast` nodes, is as if the file
were not there.
"""

from __future__ import annotations

import ast
import io
import marshal
import os
import pickle
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from bitlens.folders import user_cache
from bitlens.source.hollow import Body
from bitlens.writing import write_whole

Kept = tuple[int, int, int, bytes | None, tuple[Body, ...] | None]
"""A statement: its first line, where it begins and ends in the text, what `encode` made of its nodes, and
where the bodies of its functions stand."""
FORMAT = 3
"""Raised whenever lowering changes, so that older files are not read."""
BOUND = 512 * 2**20
"""Bytes of one store; the files used longest ago are deleted beyond it."""
_PRUNE_EVERY = 64
_CHECKSUM = 4


class LoweredStore:
    """A folder of lowered statements. No method raises for what the disk holds or refuses."""

    def __init__(self, directory: Path | None = None) -> None:
        version = f"lowered-{FORMAT}-{sys.version_info[0]}.{sys.version_info[1]}"
        self.directory = (user_cache() if directory is None else directory) / version
        self.header = version.encode() + b"\n"
        self.saved = 0

    def load(self, key: str) -> list[Kept] | None:
        """A text's statements in order; None if the store does not have it."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        start = len(self.header) + _CHECKSUM
        payload = data[start:]
        check = zlib.crc32(payload).to_bytes(_CHECKSUM, "little")
        if not data.startswith(self.header + check):
            return None
        kept = marshal.loads(payload)
        sound = isinstance(kept, list) and all(isinstance(one, tuple) and len(one) == 5 for one in kept)
        return kept if sound else None

    def save(self, key: str, kept: Sequence[Kept]) -> None:
        """Keep a text's statements in order."""
        payload = marshal.dumps(list(kept))
        check = zlib.crc32(payload).to_bytes(_CHECKSUM, "little")
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, self.header + check + payload)
        except OSError:
            return
        self.saved += 1
        if self.saved % _PRUNE_EVERY == 1:
            self.prune()

    def prune(self, bound: int = BOUND) -> None:
        """Delete the files used longest ago until at most `bound` bytes are left."""
        found = []
        for path in self.directory.glob("*/*.lowered"):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= bound:
                return
            path.unlink(missing_ok=True)
            total -= size

    @staticmethod
    def decode(blob: bytes) -> tuple[ast.stmt, ...] | None:
        """The nodes of one statement; None if the blob is not what `encode` makes."""
        try:
            nodes = _Unpickler(io.BytesIO(zlib.decompress(blob))).load()
        except (
            pickle.UnpicklingError,
            zlib.error,
            EOFError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
        ):
            return None
        return (
            nodes if isinstance(nodes, tuple) and all(isinstance(node, ast.stmt) for node in nodes) else None
        )

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}.lowered"


def encode(nodes: tuple[ast.stmt, ...]) -> bytes:
    """One statement's nodes as compressed bytes."""
    return zlib.compress(pickle.dumps(nodes, protocol=5), 1)


class _Unpickler(pickle.Unpickler):
    """Builds `ast` nodes and nothing else."""

    def find_class(self, module: str, name: str) -> type:
        kind = getattr(ast, name, None) if module in ("ast", "_ast") else None
        if isinstance(kind, type) and issubclass(kind, ast.AST):
            return kind
        if (module, name) == ("builtins", "Ellipsis"):
            return Ellipsis  # type: ignore[return-value]
        if (module, name) == ("builtins", "complex"):
            return complex
        raise pickle.UnpicklingError(f"{module}.{name} is no syntax node")
