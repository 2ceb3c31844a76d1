"""Layers in a row, with names and without.

model: plain torch.nn.Sequential 1089
model: named torch.nn.Sequential 336
"""

from collections import OrderedDict

import torch.nn as nn

plain = nn.Sequential(
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
    nn.Dropout(0.1),
)
named = nn.Sequential(OrderedDict([("conv", nn.Conv2d(3, 12, 3)), ("flat", nn.Flatten())]))
print(plain, named)
