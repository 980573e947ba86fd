"""Layers that only change the shape of their input."""

from collections.abc import Sequence

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor


class Flatten(Module):
    """The axes from start_dim to end_dim merged into one: (N, C, H, W) -> (N, C * H * W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = arguments.integer(start_dim, "Flatten: start_dim")
        self.end_dim = arguments.integer(end_dim, "Flatten: end_dim")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        standard = (self.start_dim, self.end_dim) == (1, -1)
        return "" if standard else f"{self.start_dim}, {self.end_dim}"


class Unflatten(Module):
    """The axis `dim` split into several: Unflatten(1, (C, H, W)) undoes Flatten.

    unflattened_size: the sizes; one may be -1, for what is left.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = arguments.integer(dim, "Unflatten: dim")
        name = "Unflatten: unflattened_size"
        if not isinstance(unflattened_size, tuple | list):
            raise arguments.wrong(name, "a tuple of integers", unflattened_size)
        self.unflattened_size = arguments.sizes(unflattened_size, name, least=-1)

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.unflattened_size}"
