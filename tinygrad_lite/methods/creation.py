"""Making tensors: constants, ranges and random numbers.

Random numbers come from one generator of ours, which `Tensor.manual_seed` sets; NumPy's global
state is neither read nor changed.
"""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from ..dtypes import FLOAT, check_dtype, new_array
from ..graph import Leaf, TensorBase
from ..shapes import shape_from


class CreationMethods(TensorBase):
    """Static constructors; shapes as one tuple or as arguments; float32 unless dtype says more."""

    __slots__ = ()

    _generator: ClassVar[np.random.Generator] = np.random.default_rng()

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Start the random numbers anew: the same seed, the same numbers."""
        CreationMethods._generator = np.random.default_rng(seed)

    @classmethod
    def _made(cls, array: Any, requires_grad: bool) -> Self:
        tensor = cls._wrap(array, None)
        if requires_grad:
            check_differentiable(tensor._data.dtype)
            tensor._node = Leaf(tensor)
        return tensor

    @classmethod
    def full(
        cls, shape: Any, value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element `value`."""
        sizes = shape_from((shape,))
        wanted = new_array(value).dtype if dtype is None else check_dtype(dtype)
        return cls._made(np.full(sizes, value, wanted), requires_grad)

    @classmethod
    def zeros(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element 0."""
        return cls._made(np.zeros(shape_from(shape), _float(dtype)), requires_grad)

    @classmethod
    def ones(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Every element 1."""
        return cls._made(np.ones(shape_from(shape), _float(dtype)), requires_grad)

    @classmethod
    def arange(
        cls,
        start: float,
        stop: float | None = None,
        step: float = 1,
        dtype: DTypeLike | None = None,
    ) -> Self:
        """start, start + step, ... below stop; with one argument 0 to it.  int64 or float32."""
        first, end = (0, start) if stop is None else (start, stop)
        whole = all(isinstance(number, (int, np.integer)) for number in (first, end, step))
        wanted = np.dtype(np.int64) if whole and dtype is None else _float(dtype)
        return cls._made(np.arange(first, end, step).astype(wanted), False)

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
        wanted = _float(dtype)
        drawn = cls._draw(cls._generator.random, shape, wanted)
        if (low, high) != (0.0, 1.0):
            below = np.nextafter(wanted.type(high), wanted.type(low))  # rounding may reach high
            drawn = np.minimum(drawn * wanted.type(high - low) + wanted.type(low), below)
        return cls._made(drawn, requires_grad)

    @classmethod
    def randn(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Normal with mean 0 and standard deviation 1."""
        drawn = cls._draw(cls._generator.standard_normal, shape, _float(dtype))
        return cls._made(drawn, requires_grad)

    @staticmethod
    def _draw(function: Any, shape: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
        """Random numbers of a dtype; NumPy draws float32 and float64 only."""
        drawn = np.float64 if dtype == np.float64 else np.float32
        return np.asarray(function(shape_from(shape), dtype=drawn)).astype(dtype, copy=False)

    def zeros_like(self) -> Self:
        """Zeros of this tensor's shape and dtype."""
        return self._wrap(np.zeros(self._data.shape, self._data.dtype), None)

    def ones_like(self) -> Self:
        """Ones of this tensor's shape and dtype."""
        return self._wrap(np.ones(self._data.shape, self._data.dtype), None)


def check_differentiable(dtype: np.dtype[Any]) -> None:
    """Only real numbers have derivatives."""
    if dtype.kind != "f":
        raise TypeError(
            f"requires_grad: only float tensors have gradients; got {dtype}; "
            "write Tensor(data, dtype=np.float32, requires_grad=True)"
        )


def _float(dtype: DTypeLike | None) -> np.dtype[Any]:
    return FLOAT if dtype is None else check_dtype(dtype)
