"""A model that its program quantizes."""

from optimum.quanto import freeze, qint8, quantize
from torch import nn


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.second = nn.Linear(32, 8)


model = Pair()
quantize(model, weights=qint8)
freeze(model)
