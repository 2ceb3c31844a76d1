"""A module that is built at the top of a script.

model: net Classifier 5484
"""

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, features=20, hidden=64, classes=10):
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.middle = nn.Linear(hidden, hidden - 10)
        self.out = nn.Linear(hidden - 10, classes, bias=False)
        self.scale = nn.Parameter(torch.ones(90))

    def forward(self, x):
        return self.out(torch.relu(self.middle(torch.relu(self.hidden(x)))))


net = Classifier()
print(net(torch.zeros(1, 20)).shape)
