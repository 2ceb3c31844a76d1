"""A model that is changed after it was built: a new head, swapped layers, frozen and tied weights.

model: model Encoder 3414
"""

import torch.nn as nn


class Encoder(nn.Module):
    def __init__(self, vocabulary=50, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(1))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def swap_norms(module):
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            print("swapping", name)
            setattr(module, name, nn.RMSNorm(child.normalized_shape))
        else:
            swap_norms(child)


model = Encoder()
model.head = nn.Linear(32, 50, bias=False)
model.head.weight = model.embed.weight
model.layers.append(nn.Linear(32, 22, bias=True))
swap_norms(model)
for name, parameter in model.named_parameters():
    parameter.requires_grad = not name.startswith("embed")
print(model)
