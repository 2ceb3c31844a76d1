# ruff: noqa
# What classes and functions are asked for, and functions chosen by class.
import enum
import functools
import string
from abc import ABC
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlparse, urlsplit

import numpy as np
import torch
from torch import nn

T = TypeVar("T")


class Part(Generic[T], nn.Module, ABC):
    """A part of four words."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, len(self.__doc__.split()))


class Plain(Part[T]):
    pass


class Third(Generic[T], Plain[Any], ABC):
    """Two words"""


class Setting(type):
    def __new__(cls, name, bases, namespace):
        made = super().__new__(cls, name, bases, namespace)
        made.size = len(name)
        return made


class Prepared(Setting):
    def __call__(cls, *args, **kwargs):
        made = cls.__new__(cls); made.__init__(*args, **kwargs)
        return made


class Head(nn.Module, metaclass=Prepared):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(self.size, 2)


class Chosen(nn.Module):
    def __new__(cls, kind):
        if cls is Chosen:
            return Narrow(kind) if kind == "narrow" else nn.Linear(3, 9)
        return super().__new__(cls)


class Narrow(Chosen):
    def __init__(self, kind):
        super().__init__()
        self.linear = nn.Linear(len(kind), 1)


@functools.singledispatch
def width(value):
    return 7


@width.register
def _(value: int):
    return value


@width.register(list)
@width.register(tuple)
def _(value):
    return sum(value)


@width.register(nn.Linear)
def _(value):
    return value.out_features


class Window(Sequence):
    pass


class Listed:
    def __len__(self):
        return 4


Sequence.register(Listed)


def wrapped(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


@wrapped
def annotated(first: int, second: "str" = "a") -> float:
    """Says what it is"""


class Mode(str, enum.Enum):
    CAT = "cat"
    ADD = "add"


def option(text, known):
    if isinstance(known, enum.EnumMeta) and text in {item.value for item in known}:
        return known(text)
    raise ValueError(text)


class Asked(nn.Module):
    def __init__(self):
        super().__init__()
        names = list(annotated.__annotations__)
        self.names = nn.Linear(len(names), len(annotated.__doc__.split()))
        self.kind = nn.Linear(3 if annotated.__annotations__["first"] is int else 5, width((1, 2)))
        self.one = nn.Linear(width(5), width("text"))
        self.same = nn.Linear(width(nn.Linear(2, 6)), width([4, 4]))
        self.letters = nn.Linear(len(string.ascii_lowercase), len(string.digits + string.punctuation))
        self.address = nn.Linear(len(urlsplit("hub://owner/name").netloc), len(urlparse("/a/b.c").path))
        self.device = nn.Linear(4 if torch.device("cuda:1").type == "cuda" else 2, torch.device("cuda", 3).index)
        self.mode = nn.Linear(len(option("add", Mode).value), 2 if isinstance(Mode, type) else 1)
        self.scalar = nn.Linear(np.int64(6), int(np.float32(2)) * (2 if np.dtype(np.uint8).kind == "u" else 1))
        self.base = nn.Linear(len(Narrow.__base__.__name__), len(Narrow.__mro__[1].__name__))


model = nn.ModuleList([Part(3), Plain(2) if Plain.__doc__ else Part[int](2), Third(5), Head(), Asked()])
model.append(Chosen("narrow"))
model.append(
    Chosen("wide")
)
