"""Random numbers, from one generator of ours.

`Tensor.manual_seed` sets it; NumPy's global state is neither read nor changed.
"""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from ..dtypes import float_dtype
from ..graph import TensorBase
from ..shapes import shape_from
from .creation import made


class RandomMethods(TensorBase):
    """Static constructors of random tensors; shapes as one tuple or as arguments."""

    __slots__ = ()

    _generator: ClassVar[np.random.Generator] = np.random.default_rng()

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Start the random numbers anew: the same seed, the same numbers."""
        RandomMethods._generator = np.random.default_rng(seed)

    @classmethod
    def rand(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Uniform on [0, 1)."""
        return cls.uniform(*shape, dtype=dtype, requires_grad=requires_grad)

    @classmethod
    def uniform(
        cls,
        *shape: Any,
        low: float = 0.0,
        high: float = 1.0,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Uniform on [low, high)."""
        wanted = float_dtype(dtype)
        drawn = cls._draw(cls._generator.random, shape, wanted)
        if (low, high) != (0.0, 1.0):
            below = np.nextafter(wanted.type(high), wanted.type(low))  # rounding may reach high
            drawn = np.minimum(drawn * wanted.type(high - low) + wanted.type(low), below)
        return made(cls, drawn, requires_grad)

    @classmethod
    def randn(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Normal with mean 0 and standard deviation 1."""
        drawn = cls._draw(cls._generator.standard_normal, shape, float_dtype(dtype))
        return made(cls, drawn, requires_grad)

    @staticmethod
    def _draw(function: Any, shape: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
        """Random numbers of a dtype; NumPy draws float32 and float64 only."""
        drawn = np.float64 if dtype == np.float64 else np.float32
        return np.asarray(function(shape_from(shape), dtype=drawn)).astype(dtype, copy=False)
