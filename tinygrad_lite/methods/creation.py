"""Creating tensors: constants and ranges."""

from math import isfinite
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.dtypes import INT, check_differentiable, check_dtype, float_dtype, new_array
from ..arrays.float_errors import quiet
from ..arrays.shapes import Shape, integer, shape_from
from ..engine.graph import Leaf, TensorBase
from ._theme import Theme

Made = TypeVar("Made", bound=TensorBase)


def made(tensor_class: type[Made], array: Any, requires_grad: bool) -> Made:
    """A tensor around a new array; a leaf if it requires grad."""
    tensor = tensor_class._wrap(array, None)
    if requires_grad:
        check_differentiable(tensor._data.dtype)
        tensor._node = Leaf(tensor)
    return tensor


def new_shape(name: str, sizes: Any) -> Shape:
    """The shape meant by the arguments of a call; no size may be negative."""
    shape = shape_from(sizes)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: expected sizes of 0 or more; got {shape}")
    return shape


def count(name: str, number: Any) -> int:
    """`number` as an integer, at least 0."""
    whole = integer(number, name)
    if whole < 0:
        raise ValueError(f"{name}: expected 0 or more; got {whole}")
    return whole


def like(tensor: TensorBase, dtype: DTypeLike | None) -> np.dtype[Any]:
    """`dtype`, checked; default: that of the tensor."""
    return tensor._data.dtype if dtype is None else check_dtype(dtype)


def check_numbers(name: str, *values: Any) -> None:
    """TypeError unless each value is a number; not for a tensor, whose graph would be lost."""
    for value in values:
        if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
            raise TypeError(f"{name}: expected a number; got {type(value).__name__}")


@quiet
def filled(name: str, shape: Shape, fill_value: Any, dtype: np.dtype[Any]) -> Any:
    """An array filled with one number, which must fit into the dtype."""
    check_numbers(name, fill_value)
    try:
        value = np.array(int(fill_value) if dtype.kind in "iu" else fill_value, dtype)
        overflows = isfinite(fill_value) and not np.isfinite(value)
    except (OverflowError, ValueError):  # too large for an integer dtype, or inf or nan
        overflows = True
    if overflows:
        raise ValueError(f"{name}: {fill_value} does not fit into {dtype}")
    return np.full(shape, value)


class CreationMethods(Theme):
    """Constructors.  A shape is one tuple or several arguments; the default dtype is float32.

    With requires_grad=True the result is a leaf that requires grad.  The `_like` methods take shape
    and dtype from a tensor.
    """

    __slots__ = ()

    @classmethod
    def empty(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Uninitialised memory: write the elements before reading them."""
        return made(cls, np.empty(new_shape("empty", shape), float_dtype(dtype)), requires_grad)

    @classmethod
    def zeros(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element 0."""
        return made(cls, np.zeros(new_shape("zeros", shape), float_dtype(dtype)), requires_grad)

    @classmethod
    def ones(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Every element 1."""
        return made(cls, np.ones(new_shape("ones", shape), float_dtype(dtype)), requires_grad)

    @classmethod
    @quiet
    def full(
        cls,
        shape: Any,
        fill_value: float,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Every element `fill_value`, which also determines the default dtype."""
        sizes = new_shape("full", (shape,))
        check_numbers("full", fill_value)
        wanted = new_array(fill_value).dtype if dtype is None else check_dtype(dtype)
        return made(cls, filled("full", sizes, fill_value, wanted), requires_grad)

    @classmethod
    def arange(
        cls,
        start: float,
        stop: float | None = None,
        step: float = 1,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """start, start + step, ..., below stop; with one argument, from 0 to it.

        int64 if all are integers, else float32.  Empty if step leads away from stop.
        """
        first, end = (0, start) if stop is None else (start, stop)
        check_numbers("arange", first, end, step)
        if step == 0 or not all(map(isfinite, (first, end, step))):
            raise ValueError(
                "arange: expected finite numbers and a step other than 0; "
                f"got {first}, {end}, {step}"
            )
        whole = all(isinstance(number, (int, np.integer)) for number in (first, end, step))
        wanted = INT if whole and dtype is None else float_dtype(dtype)
        return made(cls, np.arange(first, end, step).astype(wanted), requires_grad)

    @classmethod
    @quiet
    def linspace(
        cls,
        start: float,
        stop: float,
        steps: int,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """`steps` evenly spaced numbers from start to stop, both included; (steps,).

        With an integer dtype the numbers are rounded towards 0.
        """
        check_numbers("linspace", start, stop)
        wanted = float_dtype(dtype)
        if wanted.kind == "b":
            raise TypeError("linspace: expected a dtype of numbers; got bool")
        values = np.linspace(start, stop, count("linspace: steps", steps)).astype(wanted)
        return made(cls, values, requires_grad)

    @classmethod
    def eye(
        cls,
        n: int,
        m: int | None = None,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """The identity matrix: 1 on the diagonal, else 0.  (n, m); m is n by default."""
        rows = count("eye: n", n)
        columns = rows if m is None else count("eye: m", m)
        return made(cls, np.eye(rows, columns, dtype=float_dtype(dtype)), requires_grad)

    def empty_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Uninitialised memory in the shape of this tensor."""
        return made(type(self), np.empty(self._data.shape, like(self, dtype)), requires_grad)

    def zeros_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Zeros in the shape of this tensor."""
        return made(type(self), np.zeros(self._data.shape, like(self, dtype)), requires_grad)

    def ones_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Ones in the shape of this tensor."""
        return made(type(self), np.ones(self._data.shape, like(self, dtype)), requires_grad)

    def full_like(
        self, fill_value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element `fill_value`, in the shape and dtype of this tensor.

        Integer dtypes cut off its fraction: 2.5 is 2.
        """
        values = filled("full_like", self._data.shape, fill_value, like(self, dtype))
        return made(type(self), values, requires_grad)
