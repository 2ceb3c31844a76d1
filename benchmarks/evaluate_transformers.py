"""Scores the static evaluator against recorded constructions, and times it on one core.

    python benchmarks/evaluate_transformers.py TRUTH [--sites DIR] [--also DIR] [--match TEXT] [--sample N]
    [--store DIR] [-v]

TRUTH is a folder with `index.json` and one record for each source file (which line created which module, of
every root class built from its default configuration). Only roots with untouched configurations are scored.
Wall and processor seconds are those of evaluation and scoring together; an empty `--store` gives the cold
time, a second run with the same one the warm time. The last line is the most memory that was used.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import random
import resource
import sysconfig
import time
from pathlib import Path
from typing import Any

from bitlens.source.evaluate import Construction, evaluate
from bitlens.source.evaluate.world import world_for
from bitlens.source.store import LoweredStore


def load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def roots_of(truth: Path, match: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for row in load(truth / "index.json"):
        if match not in row[0] or "/modeling_" not in row[0] or "/models/" not in row[0]:
            continue
        roots = load(truth / row[1])["roots"]
        found += [(row[0], root) for root in roots if not root.get("overrides") and not root.get("partial")]
    return found


def expression(truth: dict[str, Any], file: Path) -> str:
    """A root as its class, or as an expression where it was built from another configuration than its own."""
    name, _, config = truth["root"].partition("@")
    if not config and (truth["config"] is None or truth["config"] in file.read_text("utf-8")):
        return name
    return f"{name}(__import__('transformers').{config or truth['config']}())"


def score(construction: Construction, file: str, truth: dict[str, Any]) -> collections.Counter[str]:
    right: dict[str, int] = {}
    neutral: set[str] = set()
    for line, entry in truth["lines"].items():
        inner = set(entry.get("inner", ()))
        right.update((path, int(line)) for path in entry["paths"] if path not in inner)
        neutral |= inner | set(entry.get("alias", ()))
    neutral -= set(right)
    lines = {line.line: line for line in construction.lines if line.file == file}
    pairs = {(number, path) for number, line in lines.items() for path in line.paths if path not in neutral}
    hits = {path for number, path in pairs if right.get(path) == number}
    result = collections.Counter(
        pairs=len(pairs), hits=sum(right.get(p) == n for n, p in pairs), true=len(right), recalled=len(hits)
    )
    for number, entry in truth["lines"].items():
        if entry["params"]:
            line = lines.get(int(number))
            result["lines"] += 1
            result["exact"] += line is not None and line.parameters == entry["params"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("truth", type=Path)
    parser.add_argument("--sites", type=Path, default=Path(sysconfig.get_paths()["purelib"]))
    parser.add_argument("--also", type=Path, action="append", default=[], help="another folder of packages")
    parser.add_argument("--match", default="")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--store", type=Path)
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    store = None if options.store is None else LoweredStore(options.store)
    work = roots_of(options.truth, options.match)
    if options.sample:
        work = random.Random(1).sample(work, min(options.sample, len(work)))
        work.sort(key=lambda item: item[0])
    total: collections.Counter[str] = collections.Counter()
    sites = options.sites.resolve()
    paths = [sites, *(path.resolve() for path in options.also)]
    begun, busy = time.perf_counter(), time.process_time()
    failures = 0
    for name, truth in work:
        file = str(sites / name)
        start = time.perf_counter()
        try:
            construction = evaluate(
                Path(file), expression(truth, Path(file)), search_paths=paths, store=store
            )
        except Exception as error:
            failures += 1
            print(f"EXCEPTION {name} [{truth['root']}] {type(error).__name__}: {error}")
            continue
        counts = score(construction, file, truth)
        total += counts
        if options.v and (
            counts["hits"] < counts["pairs"]
            or counts["recalled"] < counts["true"]
            or counts["exact"] < counts["lines"]
        ):
            pairs, recall = f"{counts['hits']}/{counts['pairs']}", f"{counts['recalled']}/{counts['true']}"
            print(
                f"{name} [{truth['root']}] P {pairs} R {recall} params {counts['exact']}/{counts['lines']}"
                f" {time.perf_counter() - start:.2f}s"
                f" {[f'{p.line}: {p.message}'[:150] for p in construction.problems[:2]]}"
            )
    spent, busy = time.perf_counter() - begun, time.process_time() - busy
    world_for(paths).machine.imports.save()
    print(
        f"{len(work)} roots in {spent:.1f} s, {busy:.1f} s of processor"
        f" ({busy / max(1, len(work)):.3f} s each), {failures} exceptions"
    )
    for label, a, b in (
        ("precision", "hits", "pairs"),
        ("recall", "recalled", "true"),
        ("parameters", "exact", "lines"),
    ):
        print(f"{label:10} {total[a]}/{total[b]} = {total[a] / max(1, total[b]):.4f}")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
