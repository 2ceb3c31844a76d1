"""A model whose construction takes a minute: time enough to change one's mind."""

import time

from torch import nn


class Patient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Linear(4096, 4096)
        time.sleep(60)


model = Patient()
