"""Libraries are kept from Python's garbage collector, programs that were evaluated before are not."""

import gc
from pathlib import Path

import pytest
from bitlens.source.evaluate import evaluate, front, heap
from bitlens.source.evaluate.values import ClassValue
from bitlens.source.evaluate.world import world_for

PROGRAM = """\
from torch import nn
class Mine(nn.Module):
    def __init__(self, size: int = {size}) -> None:
        super().__init__()
        self.layer = nn.Linear(size, 2)
"""


def classes_left(file: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the classes of five evaluations of a program, edited between them, are still there."""
    monkeypatch.setattr(heap, "SUSPECTED", limit)
    heap.HEAP.collect()
    name = file.stem.capitalize()
    for size in range(1, 6):
        text = PROGRAM.format(size=size).replace("Mine", name)
        assert evaluate(file, name, text=text).modules[1].parameters[0].shape == (2, size)
    gc.unfreeze()
    return sum(type(one) is ClassValue and one.name == name for one in gc.get_objects())


def test_garbage_is_looked_for_once_there_may_be_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heap, "_USUAL", gc.get_threshold())
    assert classes_left(tmp_path / "often.py", 1, monkeypatch) <= 2
    assert classes_left(tmp_path / "never.py", 10**9, monkeypatch) == 5


def test_a_process_that_set_the_collector_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_USUAL", (1, 1, 1))
    assert not heap.HEAP.rest()
    assert gc.isenabled()


def test_a_mistake_of_ours_costs_one_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.py"
    file.write_text(PROGRAM.format(size=3))
    first = world_for(()).machine
    monkeypatch.setattr(front, "records", None)
    with pytest.raises(TypeError):
        evaluate(file, "Mine")
    monkeypatch.undo()
    assert evaluate(file, "Mine").modules[1].parameters[0].shape == (2, 3)
    assert world_for(()).machine is not first
