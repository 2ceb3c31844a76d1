"""Which class is built depends on what is installed and on a setting.

model: model Fast 272
"""

import torch.nn as nn

try:
    from package_that_nobody_has import FusedLinear as Layer
except ImportError:
    Layer = nn.Linear

FAST = True


class Fast(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer(16, 16)


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer(64, 64)


if FAST:
    model = Fast()
else:
    model = Slow()
