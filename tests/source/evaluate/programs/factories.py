# ruff: noqa
# A program as people write them, read by the evaluator and run by the test.
import math
from collections import OrderedDict
from functools import partial

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "gelu": partial(nn.GELU, approximate="tanh"), "none": lambda: nn.Identity()}
REGISTRY = {}


def register(name):
    def wrap(cls):
        REGISTRY[name] = cls
        return cls

    return wrap


def conv(in_channels, out_channels, *, kernel=3, act="relu", norm=nn.BatchNorm2d, **options):
    layers = [nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=norm is None, **options)]
    if norm:
        layers.append(norm(out_channels))
    layers += [ACTIVATIONS[act]()]
    return nn.Sequential(*layers)


@register("plain")
class Plain(nn.Module):
    expansion = 1

    def __init__(self, channels, width, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict([
                ("first", conv(channels, width, stride=stride)),
                ("second", conv(width, width * self.expansion, act="none")),
            ])
        )
        if stride != 1 or channels != width * self.expansion:
            self.shortcut = nn.Conv2d(channels, width * self.expansion, 1, stride)
        else:
            self.shortcut = nn.Identity()


@register("wide")
class Wide(Plain):
    expansion = 4

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.squeeze: nn.Module = nn.AdaptiveAvgPool2d(1)
        setattr(self, "gate_%d" % self.expansion, nn.Linear(4, 2 ** 3))


class Net(nn.Module):
    def __init__(self, kind="wide", depths=(1, 2), width=8, classes=10):
        super().__init__()
        block = REGISTRY[kind]
        self.channels = width
        self.stem = conv(3, width, kernel=7, norm=None)
        self.stages = nn.ModuleList()
        for index, depth in enumerate(depths):
            self.stages.append(self._make_layer(block, width << index, depth, stride=1 if index == 0 else 2))
        for number, (a, b) in enumerate(zip([1, 2], (3, 4)), start=1):
            self.add_module(f"extra{number}", nn.Linear(a, b, bias=number % 2 == 0))
        self.heads = nn.ModuleDict({name: nn.Linear(self.channels, n) for name, n in {"a": 2, "b": classes}.items()})
        self.register_module("drop", nn.Dropout(0.5) if classes > 5 else None)
        self.scale = nn.Parameter(torch.ones(1, self.channels, 1))
        self.register_buffer("grid", torch.arange(math.prod((2, 3)), dtype=torch.float16), persistent=False)

    def _make_layer(self, block, width, depth, stride):
        layers = []
        for i in range(depth):
            layers.append(block(self.channels, width, stride if i == 0 else 1))
            self.channels = width * block.expansion
        return nn.Sequential(*layers)


model = Net()
