"""Neural networks on tinygrad_lite: modules, layers, losses, optimisers, state, data.

    import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 10))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    X_train, Y_train, X_test, Y_test = nn.datasets.mnist()

What is where:

    nn.Module, nn.Parameter    a part of a model, which finds its own parameters; a tensor to train
    nn.Linear, nn.MSELoss ...  layers, containers and losses: all of `nn.layers`, by theme there
    nn.functional              the functions of torch.nn.functional, with its names and arguments
    nn.init                    initial values of parameters
    nn.optim                   optimisers; `nn.optim.schedules` has learning rates as functions of
                               the step, `nn.optim.swa_utils` averages of weights
    nn.utils                   gradients clipped, and parameters as one vector
    nn.state                   parameters and state of any object by name, and as a file
    nn.distributions           random draws, their log-probabilities, and gradients through them
    nn.data, nn.datasets       data sets served in batches, images changed at random
                               (`nn.data.augment`); MNIST, Fashion-MNIST, KMNIST, CIFAR-10, and a
                               small set of digits
    nn.training                what stands around a loop: options, signals, progress, records
    nn.distributed             one training in several processes, on one machine or many, by MPI

Names, arguments, defaults and state-dict keys are PyTorch's.  Parameters are found in a model's
attributes (`nn.Module`); nothing has to be registered but buffers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import data, init, layers, optim, state, utils
from ._other_names import WRITE, missing
from .layers import *  # noqa: F403  # every layer of that index, so that it stands in one place
from .module import Module
from .parameter import Parameter

if TYPE_CHECKING:
    from . import datasets, distributed, distributions, functional, training

__all__ = [
    "Module",
    "Parameter",
    "data",
    "datasets",
    "distributed",
    "distributions",
    "functional",
    "init",
    "layers",
    "optim",
    "state",
    "training",
    "utils",
]
__all__ += layers.__all__
__all__.sort()


def __getattr__(name: str) -> Any:
    """`nn.datasets` and others, imported when first used, since training can do without.

    And `nn.SyncBatchNorm`, as PyTorch calls it.
    """
    if name in ("datasets", "distributed", "distributions", "functional", "training"):
        return import_module(f"nn.{name}")
    if name == "SyncBatchNorm":
        return import_module("nn.distributed").SyncBatchNorm
    raise missing(__name__, name, WRITE)
