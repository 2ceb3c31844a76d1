# ruff: noqa
# A program as people write them, read by the evaluator and run by the test.
import argparse
import copy
import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import ClassVar, NamedTuple, Optional

import torch.nn as nn
from torch.nn import Embedding as Emb


class Norm(str, Enum):
    LAYER = "layer"
    RMS = "rms"

    @property
    def cls(self):
        return {Norm.LAYER: nn.LayerNorm, Norm.RMS: nn.RMSNorm}[self]


class Shape(NamedTuple):
    rows: int
    columns: int = 3


@dataclass
class Base:
    hidden: int = 8
    layers: ClassVar[int] = 3
    sizes: list[int] = field(default_factory=lambda: [4, 5])


@dataclass
class Config(Base):
    heads: int = 2
    norm: Norm = Norm.RMS
    ratio: Optional[float] = None
    shape: Shape = Shape(2)

    def __post_init__(self):
        if self.ratio is None:
            self.ratio = 4.0

    @property
    def inner(self) -> int:
        return int(self.hidden * self.ratio)


class Attention(nn.Module):
    def __init__(self, config: Config, cross: bool = False):
        super().__init__()
        self.qkv, self.out = nn.Linear(config.hidden, 3 * config.hidden), nn.Linear(config.hidden, config.hidden)
        self.attn = nn.MultiheadAttention(config.hidden, config.heads) if cross else None


class Layer(nn.Module):
    def __init__(self, config, index):
        super(Layer, self).__init__()
        self.attention = Attention(config, cross=bool(index % 2))
        self.norm = config.norm.cls(config.hidden)
        match index:
            case 0:
                self.mlp = nn.Linear(config.hidden, config.inner)
            case 1 | 2 if config.heads > 1:
                self.mlp = nn.Bilinear(config.hidden, 2, config.inner)
            case _:
                self.mlp = nn.Identity()


class Model(nn.Module):
    def __init__(self, config: Config, vocabulary=11):
        super().__init__()
        self.config = config
        self.embed = Emb(vocabulary, config.hidden, padding_idx=0)
        self.layers = nn.ModuleList([Layer(config, i) for i in range(config.layers)])
        template = nn.TransformerEncoderLayer(
            config.hidden,
            config.heads,
        )
        self.encoder = nn.TransformerEncoder(template, num_layers=2)
        self.copy = copy.deepcopy(self.layers[0])
        self.head = nn.Linear(config.hidden, vocabulary, bias=False)
        self.head.weight = self.embed.weight
        for parameter in self.copy.parameters():
            parameter.requires_grad = False
        self.shape = nn.ParameterList([nn.Parameter(self.embed.weight.new_zeros(*config.shape))])
        if (wide := config.sizes[-1]) > 4:
            self.wide = nn.LSTM(wide, wide + 1, bidirectional=True)
        try:
            import surely_not_installed

            self.fast = surely_not_installed.Fast()
        except ImportError:
            self.slow = nn.ReLU()


parser = argparse.ArgumentParser()
parser.add_argument("--hidden-size", type=int, default=6)
parser.add_argument("--flag", action="store_true")
args = parser.parse_args([])
simple = SimpleNamespace(**{"hidden": args.hidden_size, "heads": 1 if args.flag else 3})
model = nn.Sequential(
    Model(Config(hidden=12, sizes=[1, 7])),
    Model(dataclasses.replace(Config(), norm=Norm("layer"), **vars(simple))).half(),
)
