# ruff: noqa
# Sizes found by running the first layers on a tensor of the input's shape.
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Flat(nn.Module):
    def __init__(self, shape=(3, 64, 48), actions=5):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(shape[0], 8, 8, stride=4), nn.ReLU(),
            nn.Conv2d(8, 16, (4, 3), stride=2, padding="valid"), nn.BatchNorm2d(16), nn.MaxPool2d(2, ceil_mode=True),
        )
        self.fc = nn.Linear(self._get_conv_output(shape), actions)
        self.same = nn.Linear(self.conv(torch.zeros(1, *shape)).view(1, -1).size(1), 2)
        with torch.no_grad():
            output = self.conv(torch.rand(2, *shape))
        self.again = nn.Linear(output.shape[1] * output.shape[2] * output.shape[-1], 3)
        self.counted = nn.Linear(int(np.prod(output.size()[1:])), 3)
        self.flat = nn.Linear(torch.flatten(output, 1).shape[-1], 3)
        self.flattened = nn.Linear(nn.Flatten()(output).shape[1], 3)

    def _get_conv_output(self, shape):
        o = self.conv(torch.zeros(1, *shape))
        return int(np.prod(o.size()))

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class Block(nn.Module):
    def __init__(self, width, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv1d(width, out, 5, stride=stride, padding=2, dilation=1)
        self.norm = nn.GroupNorm(2, out)
        self.down = nn.Conv1d(width, out, 1, stride=stride) if stride != 1 or width != out else None

    def forward(self, x):
        y = F.relu(self.norm(self.conv1(x)))
        x = x if self.down is None else self.down(x)
        return torch.cat([F.max_pool1d(x + y, 3, 2), F.max_pool1d(y, 3, stride=2)], dim=1)


class Audio(nn.Module):
    def __init__(self, length=200):
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 4), Block(8, 6, stride=2)])
        self.up = nn.ConvTranspose1d(12, 6, 4, 2, 1)
        x = torch.randn(2, 1, length)
        for block in self.blocks:
            x = block(x)
        x = self.up(x)
        batch, channels, steps = x.shape
        self.position = nn.Parameter(torch.zeros(1, steps, channels))
        self.rnn = nn.LSTM(channels, 7, num_layers=2, bidirectional=True, batch_first=True)
        out, (h, c) = self.rnn(x.transpose(1, 2))
        self.head = nn.Linear(out.shape[-1] * steps + h.size(0), 3)
        q, k = out.chunk(2, dim=-1)
        self.mix = nn.Bilinear(q.shape[-1], k.shape[-1], (q @ k.transpose(1, 2)).shape[-1])
        a, b = torch.split(out, [4, 10], dim=2)
        self.parts = nn.Linear(a.shape[-1], b.shape[2])


class Strided(nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.stem = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2), nn.AvgPool2d(2))
        self.levels = nn.ModuleList([nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)])
        self.stride = [size // x.shape[-2] for x in self.forward(torch.zeros(1, 3, size, size))]
        self.heads = nn.ModuleList([nn.Conv2d(4, s, 1) for s in self.stride])
        up = F.interpolate(self.stem(torch.zeros(1, 3, size, size)), scale_factor=2)
        self.pool = nn.Linear(F.adaptive_avg_pool2d(F.pad(up, (1, 1)), (None, 3)).flatten(2).shape[2], 2)
        self.shuffle = nn.Conv2d(nn.PixelShuffle(2)(up).shape[1], 2, 1)

    def forward(self, x):
        x = self.stem(x)
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x[:, :2] * factor

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


class Dropped(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        return x * x.new_empty(x.shape[0], 1).bernoulli_(0.5)[:, :, None]


class Trained(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(4, 6, 3), Dropped(), nn.Softmax(dim=1))
        x = torch.zeros(2, 4, 12)
        before = self.body(x)
        self.body.eval()
        after = self.body(x)
        self.body.train()
        self.out = nn.Linear(before.shape[2], after.shape[1] + Doubled.apply(x, 2.0).shape[1])
        self.ends = (np.cumsum([2, 3]) - 1).tolist()
        self.last = nn.ModuleList([nn.Linear(n, 1) for n in self.ends])


model = nn.Sequential(Flat(), Audio(), Strided(), Trained())
