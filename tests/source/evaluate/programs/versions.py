# Sizes that hang on installed versions and on what is missing.
import importlib.metadata
import unittest

import torch
from packaging import version
from torch import nn


def size_of(name):
    for candidate in (name, f"{name}-headless"):
        try:
            return len(importlib.metadata.version(candidate)) and 3
        except importlib.metadata.PackageNotFoundError:
            pass
    return 4


def widest(*candidates):
    return max(candidates, key=version.parse)


class Sizes(unittest.TestCase):
    @unittest.skipIf(False, "never")
    @unittest.skipUnless(True, "always")
    def build(self):
        present, missing = size_of("torch"), size_of("there-is-no-such-thing")
        base = version.parse(version.parse("2.10.1+cpu").base_version)
        same = 5 if version.parse("2.10") == version.parse("2.10.0") else 6
        order = 7 if version.parse("2.9") < version.parse("2.10.0") <= base else 8
        release = version.Version(importlib.metadata.version("transformers"))
        big = 9 if release >= version.parse("4.0") and release.major < 900 else 10
        return nn.Sequential(
            nn.Linear(present, missing),
            nn.Linear(base.minor, base.micro),
            nn.Linear(same, order),
            nn.Linear(big, len(widest("1.9", "1.10"))),
        )


model = Sizes().build()
