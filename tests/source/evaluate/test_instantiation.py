"""Objects made from configurations with `_target_`, in hydra's documented forms, and torch's own counts."""

from pathlib import Path

from bitlens.source.evaluate import evaluate, to_model
from torch import nn

PROGRAM = """
from omegaconf import OmegaConf
from hydra.utils import get_class, instantiate
from torch import nn

config = OmegaConf.create({
    "width": 12,
    "name": "w${width}",
    "net": {
        "_target_": "torch.nn.Sequential",
        "_args_": [
            {"_target_": "torch.nn.Linear", "in_features": "${width}", "out_features": 4},
            {"_target_": "torch.nn.ReLU"},
            {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": "${sizes.out}"},
        ],
    },
    "sizes": {"out": 7, "in": "${width}"},
    "norm": {"_target_": "torch.nn.LayerNorm", "_partial_": True, "eps": 1e-3},
    "whole": {
        "_target_": "net.Net",
        "_recursive_": False,
        "part": {"_target_": "torch.nn.Linear", "in_features": 3},
    },
})


class Net(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = instantiate(part, out_features=5, bias=False)
        self.norm = instantiate(config.norm)(config.width)
        self.more = nn.Linear(config.sizes["in"], config.sizes.out)
        self.last = get_class("torch.nn.Linear")(len(config.name), 2)


model = nn.ModuleList([instantiate(config.net), instantiate(config.whole)])
"""


def test_targets_are_made_as_hydra_makes_them(tmp_path: Path) -> None:
    """Positional, partial, nested and not recursive targets, overrides, references to other parts."""
    (tmp_path / "net.py").write_text(PROGRAM, "utf-8")
    layers = [
        nn.Linear(12, 4),
        nn.Linear(4, 7),
        nn.Linear(3, 5, bias=False),
        nn.LayerNorm(12),
        nn.Linear(12, 7),
    ]
    layers.append(nn.Linear(len("w12"), 2))
    made = to_model(evaluate(tmp_path / "net.py", "model"))
    assert made.parameters == sum(one.numel() for layer in layers for one in layer.parameters())


def test_a_reference_that_leads_nowhere_is_unknown(tmp_path: Path) -> None:
    text = PROGRAM.replace("${sizes.out}", "${elsewhere.out}")
    (tmp_path / "net.py").write_text(text, "utf-8")
    assert to_model(evaluate(tmp_path / "net.py", "model")).parameters is None
