"""Quantize a model with optimum-quanto.

model: model torch.nn.Sequential 4192
"""

import torch.nn as nn
from optimum.quanto import freeze, qint8, quantize

model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64)).eval()
quantize(model, weights=qint8, exclude="2")
freeze(model)
print(model)
