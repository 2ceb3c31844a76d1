"""A model that lives in an object of the user's own.

model: net torch.nn.Sequential 165
"""

import torch
from torch import nn


class Experiment:
    def __init__(self, width, log="log.txt"):
        self.width = width
        self.log = log
        self.net = self.build()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

    def build(self):
        return nn.Sequential(nn.Linear(4, self.width), nn.ReLU(), nn.Linear(self.width, 5))

    def fit(self, steps):
        for _ in range(steps):
            self.net(torch.randn(2, 4)).sum().backward()
            self.optimizer.step()


if __name__ == "__main__":
    experiment = Experiment(16)
    experiment.fit(2)
