"""Package the extension twice: `bitlens-VERSION.vsix`, pure, and `bitlens-PLATFORM-VERSION.vsix`.

    python editor-client/vscode/build.py [FOLDER]    default: dist/ beside pyproject.toml

The pure one holds bitlens' own wheel, to be installed on request into an environment of the extension's own.
The other one holds the server with all that it needs, and libcst's compiled parts for every Python that has
a wheel.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUNDLED = HERE / "bundled"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
DRAWING = ("rich*", "pygments*", "Pygments*", "markdown_it*", "mdurl*")
"""What the command line alone needs."""
START = '''\
"""Start the server from the folder beside this file, with whichever Python runs it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "libs"))

from bitlens_server.__main__ import main  # noqa: E402

sys.exit(main())
'''
_ARCHITECTURES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def target() -> str:
    """This machine as vsce names it, e.g. `linux-x64`."""
    system = {"linux": "linux", "darwin": "darwin", "win32": "win32"}[sys.platform]
    return f"{system}-{_ARCHITECTURES[platform.machine()]}"


def run(*command: str | Path, cwd: Path = HERE) -> None:
    """A step that must succeed."""
    subprocess.run([*map(str, command)], cwd=cwd, check=True)


def pip(*arguments: str | Path) -> None:
    """pip of the Python that runs this file."""
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments, cwd=ROOT)


def wheel(folder: Path) -> Path:
    """bitlens' own wheel, built from this checkout."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    return next(folder.glob("bitlens-*.whl"))


def fill_libraries(own: Path) -> list[str]:
    """Everything that the server needs for each Python version into one folder; the versions that have
    wheels.

    Compiled modules carry their Python's version in their names, so they lie side by side.
    """
    served = []
    for version in PYTHONS:
        with tempfile.TemporaryDirectory() as scratch:
            wanted = ["--only-binary=:all:", "--python-version", version, "--target", scratch, str(own)]
            ended = subprocess.run(
                [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *wanted],
                cwd=ROOT,
            )
            if ended.returncode == 0:
                served.append(version)
                ignored = shutil.ignore_patterns("__pycache__", "bin", "tests", *DRAWING)
                shutil.copytree(scratch, BUNDLED / "libs", dirs_exist_ok=True, ignore=ignored)
    return served


def package(output: Path, *options: str) -> None:
    """One VSIX; vsce refuses what it finds wrong in package.json."""
    common = ["--no-dependencies", "--allow-missing-repository", "--no-rewrite-relative-links"]
    run("npx", "vsce", "package", *common, *options, "--out", output)
    print(f"{output.relative_to(ROOT)}  {output.stat().st_size / 1e6:.1f} MB")


def main(folder: Path) -> int:
    """Both files, from one checkout."""
    shutil.rmtree(BUNDLED, ignore_errors=True)
    BUNDLED.mkdir()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, HERE / name)
    version = json.loads((HERE / "package.json").read_text("utf-8"))["version"]
    run(sys.executable, "manifest.py", "--check")
    run("npm", "run", "--silent", "build")
    own = wheel(BUNDLED)
    package(folder / f"bitlens-{version}.vsix")
    served = fill_libraries(own)
    (BUNDLED / "start.py").write_text(START, "utf-8")
    (BUNDLED / "pythons.json").write_text(json.dumps(served), "utf-8")
    package(folder / f"bitlens-{target()}-{version}.vsix", "--target", target())
    return 0


if __name__ == "__main__":
    os.environ["PIP_ROOT_USER_ACTION"] = "ignore"
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "dist"))
