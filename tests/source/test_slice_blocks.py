"""What stands around a statement that a slice keeps: its model has the values of the whole program's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bitlens.source.program import program_of
from bitlens.source.slice import slices

START = "import torch, torch.nn as nn\ntorch.manual_seed(0)\n"
NET = "net = nn.Linear(2, 3)\n"
PROGRAMS = {
    "in place": NET
    + "with torch.no_grad():\n    net.weight.mul_(2)\n    net.weight[0] = 0\n    net.bias += 1\n",
    "init": NET + "with torch.no_grad(): nn.init.ones_(net.weight)\n",
    "imported": "from torch import inference_mode as quiet\n"
    + NET
    + "with quiet():\n    net.weight.add_(2)\n",
    "mixed": "import contextlib, io\n"
    + NET
    + "with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():\n"
    "    net.weight.mul_(2)\n    print(net)\n",
    "writes": NET
    + "with torch.no_grad(), open('log', 'w') as log:\n    net.weight.mul_(2)\n    log.write('x')\n",
    "lines": "import contextlib, io\n"
    + NET
    + "with (\n    contextlib.redirect_stdout(io.StringIO()),\n):\n    net.weight.data.mul_(2)\n",
    "setting": NET + "torch.set_grad_enabled(False)\nnet.weight.mul_(2)\n",
    "stack": "from contextlib import ExitStack\n"
    + NET
    + "with ExitStack() as stack:\n    stack.enter_context(torch.no_grad())\n    net.weight.mul_(2)\n",
    "function": "def change(model):\n    with torch.no_grad():\n"
    "        for p in model.parameters():\n            p.mul_(2)\n" + NET + "change(net)\n",
    "decorated": "@torch.no_grad()\ndef main():\n    global net\n    "
    + NET
    + "    net.weight.mul_(2)\n    print(net)\nmain()\n",
    "device": "with torch.device('meta'):\n    "
    + NET
    + "net.to_empty(device='cpu')\nwith torch.no_grad():\n    for p in net.parameters():\n"
    "        p.fill_(3)\n",
    "try": NET + "try:\n    net.load_state_dict(torch.load('missing.pt'))\n"
    "except FileNotFoundError:\n    with torch.no_grad():\n        net.weight.zero_()\n",
    "match": "kind = 'big'\nmatch kind:\n    case 'big':\n        "
    + NET
    + "        with torch.no_grad():\n            net.weight.mul_(2)\n    case other:\n"
    "        print(other)\n",
    "guard": "if __name__ == '__main__':\n    "
    + NET
    + "    with torch.no_grad():\n        net.weight.mul_(2)\n",
    "break": "for width in (2, 3, 4):\n    net = nn.Linear(2, width)\n    if width == 3:\n        break\n",
    "endless": "while True:\n    net = nn.Linear(2, 3)\n    if net is not None:\n        break\n",
    "coroutine": "import asyncio\nasync def main():\n    global net\n    "
    + NET
    + "    with torch.no_grad():\n        net.weight.mul_(2)\nasyncio.run(main())\n",
    "awaited": "import asyncio\nasync def build():\n    return nn.Linear(2, 3)\n"
    "async def main():\n    global net\n    net = await build()\nasyncio.run(main())\n",
    "vector": NET + "nn.utils.vector_to_parameters(torch.ones(9), net.parameters())\n",
}
RUN = """import contextlib, io, json, sys, torch
torch.set_num_threads(1)
result = {}
for name, texts in json.load(sys.stdin).items():
    result[name] = []
    for text, target, module in texts:
        names = {"__name__": module}
        torch.set_grad_enabled(True)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "program.py", "exec"), names)
        model = eval(target, names)
        result[name].append({key: value.tolist() for key, value in model.state_dict().items()})
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, list[float]]]]:
    """For each program the values in the whole of it and in its slice."""
    jobs = {}
    for name, program in PROGRAMS.items():
        (found,) = slices(program_of(START + program, Path("program.py")))
        jobs[name] = [[START + program, "net", "__main__"], [found.text, found.target, "__bitlens__"]]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("run"),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found_values: dict[str, list[dict[str, list[float]]]] = json.loads(done.stdout)
    return found_values


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_model_of_a_slice_has_the_values_of_the_whole_program(
    name: str, values: dict[str, list[dict[str, list[float]]]]
) -> None:
    whole, sliced = values[name]
    assert sliced == whole


def test_only_what_records_gradients_stays_of_a_context_that_may_not_run() -> None:
    (found,) = slices(program_of(START + PROGRAMS["writes"], Path("program.py")))
    assert "with torch.no_grad():" in found.text and "open" not in found.text
