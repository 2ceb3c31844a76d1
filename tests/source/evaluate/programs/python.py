# ruff: noqa
# A program as people write them, read by the evaluator and run by the test.
import itertools
import operator
from functools import cached_property, reduce, wraps

import torch
from torch import nn


class Meta(type):
    kinds = {}

    def __new__(mcs, name, bases, namespace, **options):
        cls = super().__new__(mcs, name, bases, namespace)
        mcs.kinds[options.get("tag", name.lower())] = cls
        return cls


class Kind(metaclass=Meta):
    size = 2

    def layer(self):
        return nn.Linear(self.size, self.size)


class Big(Kind, tag="large"):
    size = Kind.size * 3


class Sizes(list):
    def doubled(self):
        return Sizes(x * 2 for x in self)


def checked(function):
    @wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def pairs(*sizes):
    for pair in zip(sizes[:-1], sizes[1:]):
        yield pair
    yield from [(1, 1)]


class Mixin:
    def extra(self):
        return nn.GroupNorm(2, self.width)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.from_mixin = self.extra()


class Core(nn.Module):
    width = 4

    def __init__(self, **kwargs):
        super().__init__()
        self.__dict__.update(kwargs)
        self.core = nn.Linear(self.width, kwargs.get("outputs", 1))


class Both(Mixin, Core):
    @cached_property
    def total(self):
        return reduce(operator.mul, [self.width, 2], 1)

    @staticmethod
    def named(i, prefix="layer"):
        return f"{prefix}_{i:02d}"

    @classmethod
    def build(cls, n):
        return cls(outputs=n)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for i, (a, b) in enumerate(pairs(*Sizes([1, 2, 3]).doubled())):
            setattr(self, self.named(i), nn.Linear(a, b))
        self.table = nn.ModuleDict()
        for name, cls in sorted(Meta.kinds.items()):
            self.table[name] = cls().layer()
        self.mixed = nn.ModuleList(
            layer for _ in range(2) for layer in (nn.ReLU(), nn.Linear(self.total, 1))
        )
        self.mixed.extend([nn.Tanh()])
        self.mixed.insert(0, nn.Sigmoid())
        self.last = self.mixed[-1]
        counter = itertools.count()
        while (step := next(counter)) < 5:
            if step == 2:
                continue
            if step > 3:
                break
            self.add_module(str(step), nn.Linear(step + 1, 1))
        del self.core
        if not hasattr(self, "core") and isinstance(self, (Mixin, int)) and callable(getattr(self, "named", None)):
            self.core = nn.Identity()
        self.apply(self._init)
        self.post()

    @checked
    def post(self, *, scale: int = 2, **rest):
        a, *b, c = [1, 2, 3, 4]
        self.odd = nn.Conv1d(a, c * scale, sum(b))
        make = lambda n, m=3: nn.Linear(n, m)
        self.made = nn.Sequential(*map(make, [1, 2]), *[make(k, m=k) for k in {"x": 5}.values() if k])
        try:
            {}["missing"]
        except (KeyError, ValueError) as error:
            self.caught = nn.Linear(len(error.args), 2)
        finally:
            self.final = nn.Flatten()
        x = torch.zeros(2, 3, 4)
        self.bias = nn.Parameter(x.view(-1, 4)[1:, None].transpose(0, 1))

    def _init(self, module):
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)


def build(depth: int = 2):
    return nn.Sequential(*(Both.build(i + 1) for i in range(depth)))


model = build()
