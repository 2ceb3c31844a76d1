"""What can be typed: commands, options, and the examples that teach them."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import bitlens
from bitlens.quantities import parse_duration, parse_size

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction["_Parser"]

DESCRIPTION = (
    "See the bits in your model: dtype, memory and quantization error of every PyTorch layer, at its line."
)

EXAMPLES = """\
examples:
  bitlens analyze net.py                       every model that the file builds
  bitlens analyze net.py --model student       one of them
  bitlens analyze net.py --static              read the text only, run nothing
  bitlens analyze notebook.ipynb               also a folder, or any of these:
  bitlens analyze model.safetensors            a checkpoint file (safetensors, GGUF, torch.save)
  bitlens analyze checkpoint/                  a folder with config.json and weights
  bitlens analyze org/name                     a model in the local hub cache
  bitlens check .                              findings in the source, and their fixes
  bitlens schemes                              the numeric formats
  bitlens doctor                               interpreter, torch, device, limits
"""

ANALYZE_EXAMPLES = """\
examples:
  bitlens analyze net.py --scheme quanto.qint4 --scheme bfloat16
  bitlens analyze net.py --scheme all --flat --sort error --top 10
  bitlens analyze net.py --backend torchao.int8
  bitlens analyze net.py --format json --output report.json
  bitlens analyze net.py --time-limit 5m --memory-limit 8GB --device cpu

exit codes: 0 everything answered, 1 some of it failed (said beneath), 2 no answer
"""


CHECK_EXAMPLES = """\
examples:
  bitlens check .                              every file below that imports torch
  bitlens check train.py --diff                what --fix would change
  bitlens check . --measure --select BL5       also what only a measurement shows
  bitlens check . --write-baseline known.json  accept what is there; then --baseline known.json
  bitlens check . --format sarif --output bitlens.sarif

`# noqa: BL101` on a line silences a rule there. exit codes: 0 clean, 1 findings, 2 something failed
"""


class _Parser(argparse.ArgumentParser):
    """Shows examples as they are typed, and takes no abbreviated option."""

    def __init__(self, **given: Any) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=layout, allow_abbrev=False, **given)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line as a namespace whose `run` is the command; exits by itself on --help and misuse."""
    parser = _Parser(prog="bitlens", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"bitlens {bitlens.__version__}")
    parser.set_defaults(run=partial(_run_help, parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_analyze(commands)
    _add_check(commands)
    _add_schemes(commands)
    _add_doctor(commands)
    _add_server(commands)
    return parser.parse_args(argv)


def _add_analyze(commands: _Commands) -> None:
    summary = "dtype, memory and weight error of every layer"
    parser = commands.add_parser(
        "analyze", help=summary, description=summary.capitalize() + ".", epilog=ANALYZE_EXAMPLES
    )
    parser.add_argument(
        "target", help="a Python file, notebook, folder, checkpoint, or org/name in the hub cache"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="only this model: a name, or an expression such as 'Net(3)'"
    )
    parser.add_argument("--static", action="store_true", help="read the text only; run nothing")
    _add_measuring(parser.add_argument_group("measuring"))
    _add_environment(parser.add_argument_group("where the model is built"))
    _add_output(parser.add_argument_group("output"))
    parser.set_defaults(run=_run_analyze)


def _add_measuring(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scheme",
        metavar="ID",
        action="append",
        help="a numeric format of `bitlens schemes`, or `all`; may be repeated (default: a small set)",
    )
    group.add_argument(
        "--backend",
        metavar="ID",
        help="the whole model as one library would leave it: torchao.int8, quanto.int4, gguf.q4_k, …; what it"
        " stores for each layer, and which ones it leaves alone and why (instead of --scheme)",
    )
    group.add_argument(
        "--no-cache", action="store_true", help="measure a checkpoint anew, whatever is known of it"
    )
    group.add_argument(
        "--estimate",
        action="store_true",
        default=None,
        help="stop after a first estimate from sampled rows of each layer; large models show it first",
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        help="the config.json that names the class of a bare weights file; for a class that takes a"
        " configuration, a JSON or YAML file, a checkpoint that has one, or an expression",
    )


def _add_server(commands: _Commands) -> None:
    summary = "speak the language server protocol, for editors"
    # No prefix character: all options are the server's own.
    parser = commands.add_parser("server", help=summary, add_help=False, prefix_chars="\0")
    parser.add_argument("arguments", nargs="*")
    parser.set_defaults(run=_run_server)


def _add_environment(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--python",
        metavar="EXE",
        help="the interpreter that has your packages (default: the active environment)",
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda", "meta"), help="default: auto")
    group.add_argument(
        "--time-limit",
        metavar="TIME",
        type=_told(parse_duration),
        help="for each model, e.g. 90s or 5m; 0 for none",
    )
    group.add_argument("--memory-limit", metavar="SIZE", type=_told(parse_size), help="e.g. 8GB; 0 for none")
    group.add_argument(
        "--allow-network",
        action="store_true",
        default=None,
        help="let model libraries download what is not cached",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    group.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    group.add_argument("--flat", action="store_true", help="one row a layer, with its whole path")
    group.add_argument(
        "--depth", metavar="N", type=_positive, help="show N levels of modules, deeper ones summed up"
    )
    group.add_argument("--sort", choices=("bytes", "error", "path"), help="default: the model's own order")
    group.add_argument(
        "--top", metavar="N", type=_positive, help="the N first rows; by bytes unless --sort says else"
    )
    _add_no_color(group)


def _add_check(commands: _Commands) -> None:
    summary = "findings in the source: quantization, dtypes, saving and loading"
    parser = commands.add_parser(
        "check", help=summary, description=summary.capitalize() + ".", epilog=CHECK_EXAMPLES
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="Python files, notebooks, or folders")
    _add_selection(parser.add_argument_group("what counts"))
    _add_fixing(parser.add_argument_group("fixing"))
    _add_environment(parser.add_argument_group("where models are built, with --measure"))
    output = parser.add_argument_group("output")
    formats = ("table", "json", "github", "sarif", "junit")
    output.add_argument("--format", choices=formats, default="table", help="default: table")
    output.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    output.add_argument("--exit-zero", action="store_true", help="exit with 0 whatever is found")
    parser.set_defaults(run=_run_check)


def _add_selection(group: argparse._ArgumentGroup) -> None:
    codes: dict[str, Any] = {"metavar": "CODE", "action": "append", "default": []}
    group.add_argument("--select", help="only these rules; a prefix such as BL1 stands for many", **codes)
    group.add_argument("--ignore", help="none of these rules", **codes)
    group.add_argument("--baseline", metavar="FILE", help="leave out the findings that FILE holds")
    group.add_argument("--write-baseline", metavar="FILE", help="accept what is found now: write it to FILE")
    group.add_argument(
        "--measure", action="store_true", help="build and measure the models too; this runs the files' code"
    )


def _add_fixing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--fix", action="store_true", help="change the files: make the safe fixes")
    group.add_argument(
        "--unsafe-fixes", action="store_true", help="with --fix or --diff: those too that change what happens"
    )
    group.add_argument("--diff", action="store_true", help="print what --fix would change; change nothing")


def _add_schemes(commands: _Commands) -> None:
    summary = "the numeric formats: bits, granularity, bytes per weight, library"
    parser = commands.add_parser("schemes", help=summary, description=summary.capitalize() + ".")
    _add_no_color(parser)
    parser.set_defaults(run=_run_schemes)


def _add_doctor(commands: _Commands) -> None:
    summary = "the interpreter, torch, device, libraries and limits that a measurement would have"
    parser = commands.add_parser("doctor", help=summary, description=summary.capitalize() + ".")
    explaining = parser.add_argument_group("explaining one line (builds the models: runs the file's code)")
    explaining.add_argument(
        "--explain", metavar="FILE:LINE", help="what the source says of a line, and what the worker finds"
    )
    explaining.add_argument("--model", metavar="NAME", help="only this model, as for `analyze`")
    explaining.add_argument(
        "--program", metavar="FILE", help="the file that builds the model, if it is another one"
    )
    _add_environment(parser.add_argument_group("where a model would be built"))
    _add_no_color(parser)
    parser.set_defaults(run=_run_doctor)


def _add_no_color(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--no-color", action="store_true", help="no colors (the variable NO_COLOR does the same)"
    )


def _told(parse: Callable[[str], float]) -> Callable[[str], float]:
    """argparse shows the message of its own error only."""

    def parsed(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _run_help(parser: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    parser.print_help()
    return 0


def _run_analyze(arguments: argparse.Namespace) -> int:
    from bitlens.cli.analyze import run

    return run(arguments)


def _run_check(arguments: argparse.Namespace) -> int:
    from bitlens.cli.check import run

    return run(arguments)


def _run_schemes(arguments: argparse.Namespace) -> int:
    from bitlens.cli.schemes import run

    return run(arguments)


def _run_doctor(arguments: argparse.Namespace) -> int:
    from bitlens.cli.doctor import run

    return run(arguments)


def _run_server(arguments: argparse.Namespace) -> int:
    # By name: no other command may pay for the import, and nothing here may know the server.
    server = importlib.import_module("bitlens_server.__main__")
    code: int = server.main(arguments.arguments)
    return code
