# What libraries do that put adapters into a model: keys as sets, tensors of their own kind, norms of weights.
import torch
from huggingface_hub import ModelHubMixin  # a library whose text is not evaluated
from torch import nn


class Packed(torch.Tensor):
    pass


class Adapter(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        own = [name for name, _ in base.named_parameters(recurse=False)]
        self.down = nn.Linear(base.in_features, rank, bias="bias" in own)
        self.up = nn.Linear(rank, base.out_features)
        weight = base.weight + self.up.weight @ self.down.weight
        self.magnitude = nn.Parameter(torch.linalg.norm(weight, dim=1).to(weight.dtype))
        self.columns = nn.Parameter(weight.norm(2, 0, keepdim=True))
        self.whole = nn.Parameter(weight.norm(p=2, dim=(0, 1), keepdim=True))
        self.sums = nn.Parameter(torch.sum(weight, -1, True))
        self.one = nn.Parameter(weight.norm())
        if isinstance(base.weight, (Packed, ModelHubMixin)):
            self.packed = nn.Linear(1, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 4)
        self.second = nn.Linear(4, 5, bias=False)
        self.third = nn.Sequential(nn.Linear(5, 2), nn.ReLU())


def adapt(model, ranks):
    names = {name for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    for name in sorted(names & ranks.keys()):
        parent, _, last = name.rpartition(".")
        owner = model.get_submodule(parent)
        setattr(owner, last, Adapter(getattr(owner, last), ranks[name]))
    model.rest = nn.ModuleList(nn.Linear(len(name), 1) for name in sorted(names - ranks.keys()))
    model.extra = nn.Linear(len(ranks.keys() - names) + 1, len({"third.0"} | ranks.keys()))
    model.own = nn.Linear(1 + len(list(model.parameters(recurse=False))), 2)
    return model


model = adapt(Net(), {"first": 2, "third.0": 3, "missing": 4})
