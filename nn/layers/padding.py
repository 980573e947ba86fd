"""Padding: elements added at the edges of the last axes.

padding is one number for all edges, or two for each axis, the last axis first: (left, right) of a
sequence, (left, right, top, bottom) of an image, (left, right, top, bottom, front, back) of a
volume.  A negative number removes elements.  Inputs are (N, C, *size) or (C, *size).
"""

from typing import ClassVar

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor, per_axis


class _Pad(Module):
    """y = x.pad(padding, mode), along the last `rank` axes."""

    rank: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        name = type(self).__name__
        self.padding = per_axis(padding, 2 * self.rank, f"{name}: padding", least=None)

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).pad(self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# Constants


class _ConstantPad(_Pad):
    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = arguments.number(value, f"{type(self).__name__}: value")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).pad(self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` around a sequence: (..., L)."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """`value` around an image: (..., H, W)."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """`value` around a volume: (..., D, H, W)."""

    rank = 3


class ZeroPad1d(_Pad):
    """Zeros around a sequence: (..., L)."""

    rank = 1


class ZeroPad2d(_Pad):
    """Zeros around an image: (..., H, W)."""

    rank = 2


class ZeroPad3d(_Pad):
    """Zeros around a volume: (..., D, H, W)."""

    rank = 3


# Copies of elements


class ReflectionPad1d(_Pad):
    """a b c padded by (1, 1) is b a b c b: mirrored at the outermost elements of (..., L)."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """An image mirrored at its outermost pixels: (..., H, W)."""

    rank, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A volume mirrored at its outermost elements: (..., D, H, W)."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """a b c padded by (1, 1) is a a b c c: copies of the outermost elements of (..., L)."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Copies of the outermost pixels of an image: (..., H, W)."""

    rank, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Copies of the outermost elements of a volume: (..., D, H, W)."""

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """a b c padded by (1, 1) is c a b c a: what stands at the other end of (..., L)."""

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """What stands at the opposite edge of an image: (..., H, W)."""

    rank, mode = 2, "circular"


class CircularPad3d(_Pad):
    """What stands at the opposite side of a volume: (..., D, H, W)."""

    rank, mode = 3, "circular"
