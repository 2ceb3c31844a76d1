"""`python -m bitlens` is the command `bitlens`."""

import sys

from bitlens.cli import main

if __name__ == "__main__":
    sys.exit(main())
