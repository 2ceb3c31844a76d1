"""Layers built again and again: some equal, some that differ by their number, some changed afterwards."""

import copy
from collections import OrderedDict
from functools import partial

import torch
from torch import nn


class Config:
    def __init__(self, hidden=8, layers=6):
        self.hidden = hidden
        self.layers = layers
        self.kinds = ["full" if i % 3 == 2 else "window" for i in range(layers)]
        self.made = 0
        self.sizes = [4, 4, 8, 8, 16, 16]


class Norm(nn.Module):
    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps


class Attention(nn.Module):
    def __init__(self, config, index=None):
        super().__init__()
        self.index = index
        if index is None:
            self.extra = nn.Linear(1, 1)
        self.q = nn.Linear(config.hidden, config.hidden)
        self.parts = [self.q, index]


class Layer(nn.Module):
    def __init__(self, config, index, drop=0.0):
        super().__init__()
        self.attention = Attention(config, index)
        self.norm = Norm(config.hidden)
        self.drop = nn.Dropout(drop) if drop > 0.0 else nn.Identity()
        self.register_buffer("mask", torch.zeros(config.hidden))
        self.own = copy.deepcopy(config)


class Mixed(nn.Module):
    """Its number decides what it is made of."""

    def __init__(self, config, index):
        super().__init__()
        self.kind = config.kinds[index]
        if self.kind == "full":
            self.wide = nn.Linear(config.hidden, 4 * config.hidden)
        else:
            self.narrow = nn.Linear(config.hidden, config.hidden)
        self.odd = nn.Linear(1, 1) if index % 2 else None


class Sized(nn.Module):
    """Its numbers are its sizes."""

    def __init__(self, inner, outer, bias=True):
        super().__init__()
        self.up = nn.Linear(inner, outer, bias=bias)
        self.down = nn.Linear(outer, 2 * inner)
        self.table = nn.Embedding(inner, outer)


class Counting(nn.Module):
    """Changes what is older than itself."""

    def __init__(self, config):
        super().__init__()
        config.made += 1
        self.project = nn.Linear(config.hidden, config.made)


class Growing(nn.Module):
    made = []  # noqa: RUF012

    def __init__(self, size):
        super().__init__()
        Growing.made.append(size)
        self.project = nn.Linear(size, len(Growing.made))


class Next(nn.Module):
    def __init__(self, rates):
        super().__init__()
        self.project = nn.Linear(4, next(rates))


class Tied(nn.Module):
    def __init__(self, shared, size):
        super().__init__()
        self.shared = shared
        self.first = nn.Linear(size, size, bias=False)
        self.second = nn.Linear(size, size, bias=False)
        self.second.weight = self.first.weight


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        rates = [0.1 * i for i in range(config.layers)]
        self.same = nn.ModuleList([Layer(config, i) for i in range(config.layers)])
        self.rated = nn.ModuleList([Layer(config, i, drop=rates[i]) for i in range(config.layers)])
        self.mixed = nn.ModuleList([Mixed(config, i) for i in range(config.layers)])
        self.sized = nn.ModuleList()
        for inner, outer in zip(config.sizes[:-1], config.sizes[1:], strict=False):
            self.sized.append(Sized(inner, outer))
        self.counted = nn.Sequential(*[Counting(config) for _ in range(4)])
        self.grown = nn.Sequential(OrderedDict((f"g{i}", Growing(3)) for i in range(3)))
        widths = iter([5, 6, 7])
        self.next = nn.ModuleList([Next(widths) for _ in range(3)])
        shared = nn.Linear(2, 2)
        self.tied = nn.ModuleList([Tied(shared, 4) for _ in range(3)])
        make = partial(Norm, eps=1e-3)
        self.norms = nn.ModuleList(make(size) for size in (3, 3, 5, 7, 7))
        self.changed = nn.ModuleList()
        for i in range(4):
            layer = Layer(config, i)
            if i == 1:
                layer.attention.q = nn.Linear(2, 2)
                layer.norm.weight.requires_grad = False
            if i == 0:
                layer.own.hidden = 99
            if i == 2:
                layer.attention.q.bias.requires_grad_(False)
                nn.Sequential(layer.norm, nn.ModuleList([layer.attention])).double()
            self.changed.append(layer)
        config.hidden = 16
        self.wider = nn.ModuleList([Layer(config, i) for i in range(3)])
        self.halved = nn.ModuleList([Norm(6).half() for _ in range(2)])
        self.after = nn.ModuleList([Norm(6) for _ in range(2)])
        for layer in self.same[:2]:
            layer.attention.requires_grad_(False)
        self.attached = Attention(config), Attention(config, 3), Attention(config, 0)
        self.first, self.second, self.third = self.attached


model = Model(Config())
