"""文本分类器 😋: a classifier of texts."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 6)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)


class Classifier(nn.Module):
    def __init__(self, width: int = 384, depth: int = 4) -> None:
        super().__init__()
        self.words = nn.Embedding(30_000, 384)  # 词嵌入 😋
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(384, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens)
        for block in self.blocks:
            x = block.norm(x + block.down(torch.relu(block.up(x))))
        return self.head(x.mean(0))


model = Classifier()
print(model(torch.tensor([1, 2, 3])).shape)
