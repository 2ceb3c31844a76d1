"""A class that is built by functions which choose its parts: give one with `--model 'small()'`.

model: small() ConvNet 3274
"""

from functools import partial

import torch.nn as nn


class Block(nn.Module):
    def __init__(self, channels, norm_layer=nn.BatchNorm2d, act=nn.ReLU):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = norm_layer(channels)
        self.act = act()

    def forward(self, x):
        return x + self.act(self.norm(self.conv(x)))


class ConvNet(nn.Module):
    def __init__(self, block, depths, width=8, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.stages = nn.Sequential(*[self._make_stage(block, width, depth) for depth in depths])
        self.head = nn.Linear(width, classes)

    def _make_stage(self, block, width, depth):
        return nn.Sequential(*[block(width) for _ in range(depth)])

    def forward(self, x):
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


def small():
    return ConvNet(Block, [1, 2, 2])


def smooth():
    return ConvNet(partial(Block, norm_layer=partial(nn.GroupNorm, 2), act=nn.GELU), [1, 1])
