"""Optimisers: the index of this folder, in reading order.

`sgd` and `adam` show the formulas, `optimizer` the step around them, `groups` and `options` what is
set, `chunks` how formulas run over large arrays, and `saving` the state dict.  `schedules` are
learning rates as functions of the step.
"""

import sys
from typing import NoReturn

from .._other_names import OPTIM

# isort: off
from .sgd import SGD  # with or without momentum
from .adam import Adam  # every element has its own step size
from .adam import AdamW  # the same with decoupled weight decay
from .layerwise import LARS  # SGD, and each parameter has a rate in proportion to its norm
from .layerwise import LAMB  # AdamW with such rates
from .muon import Muon  # the momentum of a matrix, made orthogonal
from .lbfgs import LBFGS  # Newton's method with an estimated curvature
from .optimizer import Optimizer  # the base class, for your own optimisers
from . import schedules  # the learning rate as a function of the step

__all__ = [
    "LAMB",
    "LARS",
    "LBFGS",
    "SGD",
    "Adam",
    "AdamW",
    "Muon",
    "Optimizer",
    "schedules",
]


def __getattr__(name: str) -> NoReturn:
    """PyTorch's names for what is called otherwise here."""
    hint = f"; here it is {OPTIM[name]}" if name in OPTIM else ""
    raise AttributeError(
        f"module 'nn.optim' has no attribute {name!r}{hint}", name=name, obj=sys.modules[__name__]
    )
