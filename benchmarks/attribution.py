"""Construction lines of the worker, to be held against recorded ones: `TRUTH_FOLDER [SUBSTRING] > out`.

Builds the transformers roots of the records (untouched default configurations) on the meta device, as the
worker does, and prints one prediction a root in the scorer's form. A root that does not build is named on
standard error.
"""

from __future__ import annotations

import gzip
import importlib
import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from bitlens.worker import trace
from bitlens.worker.live import lines_of

SITE = Path(transformers.__file__).parent.parent


def predict(file: str, root: dict) -> dict | None:
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    cls = getattr(module, root["root_class"])
    config = getattr(transformers, root["config"], None) or getattr(module, root["config"], cls.config_class)
    with trace.constructions() as seen, torch.device("meta"):
        model = cls(config())
    here = [line for line in lines_of(model, seen.place) if line["file"] == str(SITE / file)]
    names = {"paths": "paths", "count": "count", "params": "parameters", "bytes": "bytes"}
    lines = {line["line"]: {theirs: line[ours] for theirs, ours in names.items()} for line in here}
    return {"file": str(SITE / file), "root": root["root"], "lines": lines}


def main(folder: str, substring: str = "") -> None:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for file, record, *_ in json.loads(Path(folder, "transformers", "index.json").read_text()):
        if not file.startswith("transformers/models") or substring not in file:
            continue
        with gzip.open(Path(folder, "transformers", record)) as stream:
            roots = json.load(stream)["roots"]
        for root in roots:
            if root.get("partial") or root["overrides"]:
                continue
            try:
                print(json.dumps(predict(file, root)), flush=True)
            except Exception as error:  # any constructor, any error
                print(f"{root['root']}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
