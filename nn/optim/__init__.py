"""Optimisers: the index of this folder, in reading order.

`sgd` and `adam` show the formulas, `optimizer` the step around them, and `chunks` how they run over
large arrays.
"""

# isort: off
from .sgd import SGD  # with or without momentum
from .adam import Adam  # every element has its own step size
from .adam import AdamW  # the same with decoupled weight decay
from .optimizer import Optimizer  # the base class, for your own optimisers

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
