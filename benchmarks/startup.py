"""How soon `bitlens` answers without torch, as a share of the time that `import torch` takes.

    python benchmarks/startup.py [--runs N]

Prints the fastest of N fresh processes for each; exits with 1 if one takes a third of torch's time or more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NET = """\
import torch.nn as nn

net = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
"""
LIMIT = 1 / 3


def fastest(command: list[str], runs: int) -> float:
    """Seconds of the fastest of `runs` fresh processes; raises CalledProcessError if one fails."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    bitlens = [sys.executable, "-m", "bitlens"]
    with tempfile.TemporaryDirectory() as folder:
        net = Path(folder, "net.py")
        net.write_text(NET, "utf-8")
        commands = {
            "bitlens --help": [*bitlens, "--help"],
            "bitlens schemes": [*bitlens, "schemes"],
            "bitlens analyze --static": [*bitlens, "analyze", str(net), "--static"],
        }
        torch = fastest([sys.executable, "-c", "import torch"], runs)
        print(f"{'import torch':<26}{torch:7.3f} s")
        ratios = []
        for name, command in commands.items():
            seconds = fastest(command, runs)
            ratios.append(seconds / torch)
            print(f"{name:<26}{seconds:7.3f} s   ratio {ratios[-1]:.3f}")
    return int(max(ratios) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
