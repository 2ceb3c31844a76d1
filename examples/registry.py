"""Classes in a table, chosen by a configuration.

model: model Wide 2112
"""

import torch.nn as nn

MODELS = {}
CONFIG = {"name": "wide", "width": 32}
CONFIG["depth"] = 2


def register(name):
    def keep(cls):
        MODELS[name] = cls
        return cls

    return keep


@register("narrow")
class Narrow(nn.Sequential):
    def __init__(self, width, depth):
        super().__init__(*[nn.Linear(width, 1) for _ in range(depth)])


@register("wide")
class Wide(nn.Sequential):
    def __init__(self, width, depth):
        super().__init__(*[nn.Linear(width, width) for _ in range(depth)])


def build(config):
    cls = MODELS[config["name"]]
    print("building", cls.__name__)
    return cls(config["width"], config["depth"])


model = build(CONFIG)
