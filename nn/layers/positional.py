"""Positional encodings: attention has no other way to know where in a sequence a vector stands.

Names and arguments are those of MLX; PyTorch has no such layers.
"""

import math

import numpy as np

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor


class SinusoidalPositionalEncoding(Module):
    """Positions (...) -> (..., dims): sin(position f) for dims / 2 frequencies f, then the cosines.

        x + encoding(np.arange(x.shape[-2]))

    The frequencies fall from max_freq to min_freq in equal ratios.

    scale       a factor of the result; default: sqrt(2 / dims), so that its norm is 1
    cos_first   whether the cosines come before the sines
    full_turns  whether a frequency counts turns, 2 pi, and not radians

    Integers give float32, floats keep their dtype; angles are computed in float64.

    Source: A. Vaswani et al., Attention Is All You Need, 2017.
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: float | None = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ) -> None:
        self.dims = _even(dims, "SinusoidalPositionalEncoding")
        low = _positive(min_freq, "SinusoidalPositionalEncoding: min_freq")
        high = _positive(max_freq, "SinusoidalPositionalEncoding: max_freq")
        turn = arguments.flag(full_turns, "SinusoidalPositionalEncoding: full_turns")
        self.frequencies = np.geomspace(high, low, dims // 2) * (2 * math.pi if turn else 1.0)
        given = math.sqrt(2 / dims) if scale is None else scale
        self.scale = arguments.number(given, "SinusoidalPositionalEncoding: scale")
        self.cos_first = arguments.flag(cos_first, "SinusoidalPositionalEncoding: cos_first")

    def forward(self, x: Input) -> Tensor:
        positions = as_tensor(x)
        dtype = positions.dtype if positions.dtype.kind == "f" else np.dtype(np.float32)
        angles = positions.cast(np.float64).unsqueeze(-1) * self.frequencies
        first, second = angles.sin(), angles.cos()
        if self.cos_first:
            first, second = second, first
        return (first.cat(second, axis=-1) * self.scale).cast(dtype)

    def extra_repr(self) -> str:
        return f"{self.dims}"


class RoPE(Module):
    """Rotary encoding: the first `dims` features of position p, in pairs, rotated by angles p f.

        rope = RoPE(64)
        q, k = rope(q), rope(k)                    x: (..., L, D) -> (..., L, D), D >= dims

    A pair (a, b) becomes (a cos - b sin, a sin + b cos); so the product of a query and a key
    depends on the distance of their positions only.  The frequencies f are base^(-2 i / dims) for
    i from 0 to dims / 2 - 1.

    traditional  whether neighbours are pairs, as in the paper, and not i and dims / 2 + i
    scale        a factor of the positions

    Source: J. Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021.
    """

    def __init__(
        self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0
    ) -> None:
        self.dims = _even(dims, "RoPE")
        self.traditional = arguments.flag(traditional, "RoPE: traditional")
        self.base = _positive(base, "RoPE: base")
        self.scale = arguments.number(scale, "RoPE: scale")

    def forward(self, x: Input, offset: int = 0) -> Tensor:
        """offset: the position of the first vector."""
        dims = self.dims
        x = as_tensor(x)
        if x.ndim < 2 or x.shape[-1] < dims or x.dtype.kind != "f":
            raise ValueError(
                f"expected floats of shape (..., length, {dims} features or more); "
                f"got {x.shape}, {x.dtype}"
            )
        start = arguments.integer(offset, "offset")
        positions = np.arange(start, start + x.shape[-2]) * float(self.scale)
        angles = np.multiply.outer(positions, float(self.base) ** (-np.arange(0, dims, 2) / dims))
        cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
        half = dims // 2
        if self.traditional:
            a, b = x[..., 0:dims:2], x[..., 1:dims:2]
        else:
            a, b = x[..., :half], x[..., half:dims]
        y: Tensor
        first, second = a * cos - b * sin, a * sin + b * cos
        if self.traditional:
            y = first.stack(second, axis=-1).reshape(*x.shape[:-1], dims)
        else:
            y = first.cat(second, axis=-1)
        return y if x.shape[-1] == dims else y.cat(x[..., dims:], axis=-1)

    def extra_repr(self) -> str:
        return f"{self.dims}" + ", traditional=True" * self.traditional


def _even(dims: int, name: str) -> int:
    found = arguments.integer(dims, f"{name}: dims", least=2)
    if found % 2:
        raise ValueError(f"{name}: dims: expected an even number; got {found}")
    return found


def _positive(value: float, name: str) -> float:
    found = arguments.number(value, name)
    if not 0 < found < math.inf:
        raise ValueError(f"{name}: expected a finite number above 0; got {found}")
    return found
