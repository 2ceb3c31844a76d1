"""Names, attributes and signatures that are looked up while the model is built."""

import inspect
from enum import Enum

import torch
from torch import nn


class Settings(dict):
    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class Factory:
    """`Act.RELU` is the text "RELU", `Act["relu"]` the class."""

    def __init__(self) -> None:
        self.known: dict = {}
        self.__doc__ = f"{self.__doc__ or ''} {len(self.known)}"

    def __getattr__(self, key: str) -> str:
        return key if key in self.known else super().__getattribute__(key)

    def __getitem__(self, name: str) -> type:
        return self.known[name.upper()]


Act = Factory()
Act.known["RELU"] = nn.ReLU
Norm = Enum("Norm", "Batch Layer")


def build_stem(width: int) -> nn.Module:
    return nn.Conv2d(3, width, 3)


def store(target: object, names: str) -> None:
    values = inspect.currentframe().f_back.f_locals
    for name in names.split(","):
        setattr(target, name, values[name])


def normalization(kind: type, width: int) -> nn.Module:
    named = {
        name: width for name in ("num_features", "num_channels") if name in inspect.signature(kind).parameters
    }
    return kind(**named)


class Net(nn.Module):
    def __init__(self, width: int = 6) -> None:
        super().__init__()
        store(self, "width")
        settings = Settings(depth=2, **{"name": "v{}.1".format(width)})
        self.stem = globals()["build_stem"](self.width)
        self.norm = normalization(nn.BatchNorm2d, width) if Norm(1) is Norm.Batch else nn.Identity()
        self.act = Act[Act.RELU]()
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(settings.get("depth", 0)))
        self.named = nn.ModuleDict({settings.name.replace(".", "_"): nn.Linear(width, len(settings.items()))})
        groups = torch.linspace(0, 2 - 1e-6, 10).floor()
        self.mixed = nn.ModuleList(nn.Conv2d(1, int((groups == g).sum()), 1) for g in range(2))
        multiples = torch.ones(3)
        multiples[1] = 4.0
        self.grown = nn.ModuleList(nn.Linear(width, int(width * m)) for m in multiples)


model = Net()
