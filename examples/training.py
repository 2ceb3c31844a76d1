"""A training script: only what builds the model is run to measure it.

model: model Net 1218
model: int8 Net 0
"""

import argparse

import torch
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.hidden = nn.Linear(16, hidden)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


def train(model, steps):
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        loss = model(torch.randn(8, 16)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(step, loss.item())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    model = Net(args.hidden)
    for parameter in model.hidden.parameters():
        parameter.requires_grad = False
    train(model, args.steps)
    torch.backends.quantized.engine = torch.backends.quantized.supported_engines[-1]

    int8 = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    print(int8)


if __name__ == "__main__":
    main()
