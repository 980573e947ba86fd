"""Layers that only change the shape of their input."""

from tinygrad_lite import Tensor

from ..module import Module
from ._inputs import Input, as_tensor


class Flatten(Module):
    """Each sample as one row: (N, C, H, W) -> (N, C * H * W)."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).flatten(1)
