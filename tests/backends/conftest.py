"""Libraries are compared with on one thread."""

from schemes.conftest import one_thread

__all__ = ["one_thread"]
