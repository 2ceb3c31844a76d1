"""Layers made by loops and comprehensions, in a function under the main guard.

model: model Stack 9760
"""

import torch.nn as nn


class Stack(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norms = nn.ModuleList()
        for _ in range(depth):
            self.norms.append(nn.LayerNorm(width))
        self.heads = nn.ModuleDict({"a": nn.Linear(width, 8), "b": nn.Linear(width, 8)})
        for index in range(2):
            self.add_module(f"extra{index}", nn.Linear(8, 8))

    def forward(self, x):
        for block, norm in zip(self.blocks, self.norms):
            x = norm(block(x))
        return self.heads["a"](x)


def main(width=64, depth=2):
    model = Stack(width, depth)
    print(sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    main()
