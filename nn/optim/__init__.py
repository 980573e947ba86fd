"""Optimisers: the index of this folder, in reading order.

`sgd` and `adam` show the formulas, `optimizer` the step around them, and `chunks` how they run over
large arrays.
"""

# isort: off
from .sgd import SGD as SGD  # with or without momentum
from .adam import Adam as Adam  # every element has its own step size
from .adam import AdamW as AdamW  # the same with decoupled weight decay
from .optimizer import Optimizer as Optimizer  # the base class, for your own optimisers
