"""Layers."""

from .linear import Dropout as Dropout
from .linear import Flatten as Flatten
from .linear import LayerNorm as LayerNorm
from .linear import Linear as Linear
from .linear import LSTMCell as LSTMCell
from .linear import ReLU as ReLU
from .linear import Sequential as Sequential
