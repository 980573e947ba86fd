"""Activations: elementwise functions between the other layers."""

from tinygrad_lite import Tensor

from ..module import Module
from ._inputs import Input, as_tensor


class ReLU(Module):
    """y = max(x, 0), elementwise.  dy/dx at 0 is 0."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).relu()
