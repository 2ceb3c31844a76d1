"""Long comprehensions over numbers, whose values become sizes."""

import math

import numpy as np
from torch import nn

WIDTH = 96


def angles(position: int, width: int) -> list[float]:
    return [position / np.power(10000, 2 * (index // 2) / width) for index in range(width)]


def size(value: float) -> int:
    return 1 + int(abs(value)) % 50


def divided(by: int) -> int:
    try:
        return len([index // (by - index) for index in range(WIDTH)])
    except ZeroDivisionError:
        return 7


def shadowed(index: int) -> int:
    values = [index * 2 for index in range(70)]
    return index + values[-1] % 9


class Tables(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        table = [angles(position, WIDTH) for position in range(80)]
        self.sine = nn.Linear(len(table), size(sum(math.sin(value) for value in table[70])))
        self.powers = nn.Linear(2, size(sum([i**3 % 11 if i % 2 else -i for i in range(200)])))
        self.tested = nn.Linear(2, len([i for i in range(300) if not i % 7 and (i > 50 or i * scale < 9)]))
        self.unlike = nn.Linear(2, len({min(index, 40) + round(index / 3) for index in range(99)}))
        self.nested = nn.Linear(2, size(sum(sum([i * j for j in range(80)]) for i in range(80))))
        self.given = nn.Linear(2, max([value + WIDTH for value in tuple(range(65))]))
        self.mixed = nn.Linear(2, sum([len(str(value)) for value in [1, 22, "333"] * 30]))
        self.large = nn.Linear(2, size(sum([2**index for index in range(100)])))


model = nn.Sequential(*[Tables(scale) for scale in (0.5, 3.0)], nn.Linear(divided(5), divided(1000)))
model.append(nn.Linear(shadowed(3), 1))
