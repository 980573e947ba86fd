"""Layers, by theme: the index of this folder, in reading order.

A layer is a `Module` of about ten lines.  Its docstring states the formula and the shapes,
`__init__` creates the parameters, and `forward` calls methods of Tensor.
"""

# isort: off
from .linear import Linear  # y = x @ weight.T + bias
from .activations import ReLU  # elementwise functions between other layers
from .containers import (  # modules made of other modules
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
)
from .functions import Identity, Lambda  # functions as modules
from .reshaping import Flatten, Unflatten  # the same elements in another shape
from .dropout import Dropout  # random zeros in training
from .normalisation import LayerNorm  # mean 0 and variance 1
from .recurrent import LSTMCell  # a state carried from one time step to the next

__all__ = [
    "Dropout",
    "Flatten",
    "Identity",
    "LSTMCell",
    "Lambda",
    "LayerNorm",
    "Linear",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Unflatten",
]
