# ruff: noqa
# Sizes that numpy computes over whole arrays, and tensors made of arrays.
import numpy as np
import torch
from torch import nn


class Pyramid(nn.Module):
    def __init__(self, base=1024, highest=64, layers=6, resolution=32):
        super().__init__()
        exponents = np.minimum(np.arange(layers + 1) / (layers - 2), 1)
        cutoffs = 2 * (resolution / 4) ** exponents
        rates = np.exp2(np.ceil(np.log2(np.minimum(cutoffs * 2, resolution))))
        sizes = np.maximum(rates, 4) + 2
        sizes[-2:] = resolution
        channels = np.rint(np.minimum(base / cutoffs / 4, highest))
        channels[-1] = 3
        for i in range(layers):
            size = np.broadcast_to(np.asarray(int(sizes[i])), [2])[0]
            layer = nn.Conv2d(int(channels[i]), int(channels[i + 1]), 3, padding=int(size % 3))
            setattr(self, f"L{i}_{size}_{int(channels[i + 1])}_{torch.tensor(i):02}", layer)


class Localization(nn.Module):
    def __init__(self, points=20):
        super().__init__()
        self.fc = nn.Linear(8, points * 2)
        x = np.linspace(-1.0, 1.0, points // 2)
        top = np.stack([x, np.linspace(0.0, -1.0, num=points // 2)], axis=1)
        bottom = np.stack([x, np.linspace(1.0, 0.0, num=points // 2)], axis=1)
        self.fc.bias.data = torch.from_numpy(np.concatenate([top, bottom], axis=0)).float().view(-1)
        start = np.broadcast_to(np.asarray(0.0, dtype=np.float32), [points])
        self.offset = nn.Parameter(torch.tensor(start))


def widths(slope=36.44, first=49, factor=2.26, depth=17, unit=8):
    steps = np.round(np.log((np.arange(depth) * slope + first) / first) / np.log(factor))
    every = np.round(np.divide(first * np.power(factor, steps), unit)).astype(int) * unit
    found, counts = np.unique(every, return_counts=True)
    return [(int(width), count) for width, count in zip(found, counts.tolist())]


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        previous = 3
        for number, (width, count) in enumerate(widths()):
            for index in range(count):
                self.add_module(f"s{number}b{index}", nn.Conv2d(previous, width, 1))
                previous = width


model = nn.Sequential(Pyramid(), Stages(), Localization(), nn.Linear(int(np.power(2, 3)), int(np.square(3))))
