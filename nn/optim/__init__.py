"""Optimisers: the index of this folder, in reading order.

`sgd` to `lbfgs` show the formulas, and `_formulas` what they have in common; `optimizer` holds the
step around them, `updates` what is checked and done in one, `lines` how a captured step writes it,
`groups` the parameters and their options, `checks` which values these may have, `chunks` how a
formula runs over large arrays, `saving` the state dict, and `finiteness` a step that refuses inf
and nan.

`schedules` are learning rates as functions of the step, `swa_utils` are averages of weights, and
gradients are clipped by `nn.utils`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._other_names import OPTIM, missing

# isort: off
from .sgd import SGD  # with or without momentum
from .sgd import ASGD  # with the mean of the parameters
from .adam import Adam  # every element has its own step size
from .adam import AdamW  # the same with decoupled weight decay
from .adam import Adamax  # with the largest gradient instead of the mean square
from .adam import NAdam  # with Nesterov's momentum
from .adam import RAdam  # that waits until the mean square is worth dividing by
from .adaptive import RMSprop  # divided by the root of the mean square
from .adaptive import Adagrad  # by the root of the sum of squares
from .adaptive import Adadelta  # as long as the last steps were
from .signs import Lion  # the sign of a momentum
from .signs import Rprop  # a step for each element, which grows until its gradient turns
from .layerwise import LARS  # SGD, and each parameter has a rate in proportion to its norm
from .layerwise import LAMB  # AdamW with such rates
from .muon import Muon  # the momentum of a matrix, made orthogonal
from .lbfgs import LBFGS  # Newton's method with an estimated curvature
from .optimizer import Optimizer  # the base class, for your own optimisers

if TYPE_CHECKING:  # imported when they are first used
    from . import schedules  # the learning rate as a function of the step
    from . import swa_utils  # averages of weights, over a run

__all__ = [
    "ASGD",
    "LAMB",
    "LARS",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "schedules",
    "swa_utils",
]


def __getattr__(name: str) -> Any:
    """`schedules` and `swa_utils`; and PyTorch's names for what is called otherwise here."""
    if name in ("schedules", "swa_utils"):
        return import_module(f"nn.optim.{name}")
    raise missing(__name__, name, OPTIM)
