"""Layers, by theme: the index of this folder, in reading order.

A layer is a `Module` of about ten lines.  Its docstring states the formula and the shapes,
`__init__` creates the parameters, and `forward` calls methods of Tensor.
"""

# isort: off
from .linear import Linear as Linear  # y = x @ weight.T + bias
from .activations import ReLU as ReLU  # elementwise functions between other layers
from .containers import Sequential as Sequential  # modules made of other modules
from .reshaping import Flatten as Flatten  # the same elements in another shape
from .dropout import Dropout as Dropout  # random zeros in training
from .normalisation import LayerNorm as LayerNorm  # mean 0 and variance 1
from .recurrent import LSTMCell as LSTMCell  # a state carried from one time step to the next
