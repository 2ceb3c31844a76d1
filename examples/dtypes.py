"""One model in several precisions.

model: full Net 1056
model: half Net 1056
model: copied Net 1056
model: default Net 1056
"""

from copy import deepcopy

import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(32, 32)

    def forward(self, x):
        return self.layer(x)


full = Net()
half = Net().half().eval()
copied = deepcopy(full)
copied = copied.to(torch.bfloat16)
print(copied.layer.weight.dtype)
torch.set_default_dtype(torch.float64)
default = Net()
