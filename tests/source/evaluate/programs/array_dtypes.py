# ruff: noqa
# numpy makes float64 and int64 where torch makes float32; torch keeps what it is given.
import numpy as np
import torch
from torch import nn


class Tables(nn.Module):
    def __init__(self, n=6):
        super().__init__()
        kept = {
            "zeros": np.zeros((n, 2)),
            "ones": np.ones(n),
            "narrow": np.zeros((n, 3), dtype=np.float32),
            "positional": np.ones((2, n), np.float32),
            "named": np.empty(n, dtype="float32"),
            "full": np.full((n, n), 0.5),
            "whole": np.full(n, 3),
            "plain": np.full(n, 3, dtype=float),
            "eye": np.eye(n),
            "wide": np.eye(3, n),
            "line": np.linspace(0, 1, n),
            "open": np.linspace(0, 1, n, endpoint=False),
            "count": np.arange(n),
            "steps": np.arange(0, 1, 0.25),
            "half": np.arange(n) / 2,
            "scaled": np.arange(n) * 0.5,
            "doubled": np.arange(n) * 2,
            "root": np.sqrt(np.arange(n)),
            "list": np.array([[1.0, 2.0], [3.0, 4.0]]),
            "integers": np.array([1, 2]),
            "cast": np.arange(n).astype(np.float32),
            "python": np.arange(n).astype(float),
        }
        for name, array in kept.items():
            self.register_buffer(f"from_{name}", torch.from_numpy(array))
            self.register_buffer(f"tensor_{name}", torch.tensor(array))
            self.register_buffer(f"single_{name}", torch.as_tensor(array, dtype=torch.float32))
            self.register_buffer(f"float_{name}", torch.from_numpy(array).float() / 3)
        self.weight = nn.Parameter(torch.from_numpy(np.linspace(-1, 1, n)))
        self.legacy = nn.Parameter(torch.Tensor(np.ones(n)))
        self.halves = nn.Parameter(torch.from_numpy(np.arange(n)) / 2)
        self.doubles = nn.Parameter(torch.zeros(n, dtype=float))


model = nn.Sequential(Tables(), nn.Linear(len(np.arange(5)), int(np.ones(3).sum())))
