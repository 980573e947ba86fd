"""Neural networks on tinygrad_lite: modules, layers, optimisers, state, data.

    import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 10))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    X_train, Y_train, X_test, Y_test = nn.datasets.mnist()

Parameters are found in a model's attributes (`nn.Module`); nothing has to be registered.
The layers are those of `nn.layers`, by the same names.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import data, init, layers, optim, state, utils
from ._other_names import WRITE
from .layers import *  # noqa: F403  # every layer of that index, so that it stands in one place
from .module import Module
from .parameter import Parameter

if TYPE_CHECKING:
    from . import datasets, distributions, functional

__all__ = [
    "Module",
    "Parameter",
    "data",
    "datasets",
    "distributions",
    "functional",
    "init",
    "layers",
    "optim",
    "state",
    "utils",
]
__all__ += layers.__all__
__all__.sort()


def __getattr__(name: str) -> Any:
    """`nn.datasets` and others, imported when first used, since training can do without."""
    if name in ("datasets", "distributions", "functional"):
        return import_module(f"nn.{name}")
    hint = f"; here it is {WRITE[name]}" if name in WRITE else ""
    raise AttributeError(
        f"module 'nn' has no attribute {name!r}{hint}", name=name, obj=sys.modules[__name__]
    )
