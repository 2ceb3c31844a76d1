# Names of a class with two leading underscores: Python puts the class's name before them.
from collections import OrderedDict

from torch import nn


class Frozen(OrderedDict):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            setattr(self, key, value)
        self.__frozen = True

    def __setattr__(self, name, value):
        if hasattr(self, "__frozen"):
            raise Exception("frozen")
        super().__setattr__(name, value)


class Base(nn.Module):
    __width = 3

    def __init__(self):
        super().__init__()
        self.__layer = nn.Linear(self.__width, 4)
        self.sizes = Frozen(a=5)
        self.sizes.b = 6
        self.__add(7)

    def __add(self, width):
        self.__extra = nn.Linear(width, self.sizes.b)
        self.__plain__ = nn.Linear(1, 2)


class _Derived(Base):
    __width = 8

    def __init__(self):
        super().__init__()
        self.__layer = nn.Linear(self.__width, getattr(self, "_Base__width"))
        self.made = [(lambda n: nn.Linear(self.__width, n))(n) for n in (1, 2)]
        self.__list = nn.ModuleList(self.made)
        if hasattr(self, "__layer"):
            self.wrong = nn.Linear(9, 9)


model = _Derived()
