"""Creating tensors: constants and ranges."""

from math import isfinite
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.arguments import flag, integer, number, shown
from ..arrays.dtypes import INT, check_differentiable, check_dtype, float_dtype, new_array
from ..arrays.float_errors import quiet
from ..arrays.integers import check_fits, converted
from ..arrays.recorded import fresh
from ..arrays.shapes import MOST_ELEMENTS, Shape, allocatable, shape_from
from ..engine.graph import Leaf, TensorBase
from ._keywords import also
from ._theme import Theme

Made = TypeVar("Made", bound=TensorBase)


def made(tensor_class: type[Made], array: Any, requires_grad: bool, name: str) -> Made:
    """A tensor around a new array; a leaf if it requires grad."""
    tensor = tensor_class._wrap(fresh(array), None)
    if flag(requires_grad, f"{name}: requires_grad"):
        check_differentiable(tensor._data.dtype)
        tensor._node = Leaf(tensor)
    return tensor


def new_shape(name: str, sizes: Any) -> Shape:
    """The shape meant by the arguments of a call; no size may be negative."""
    shape = shape_from(sizes, f"{name}: shape")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: shape: expected sizes of 0 or more; got {shown(shape)}")
    return allocatable(shape, f"{name}: shape")


def count(name: str, value: Any) -> int:
    """`value` as an integer, at least 0, and no more than there can be elements."""
    return allocatable((integer(value, name, least=0),), name)[0]


def like(tensor: TensorBase, dtype: DTypeLike | None, name: str) -> np.dtype[Any]:
    """`dtype`, checked; default: that of the tensor."""
    return tensor._data.dtype if dtype is None else check_dtype(dtype, name)


def new(
    name: str, tensor_class: type[Made], make: Any, shape: Any, dtype: Any, requires_grad: bool
) -> Made:
    """What `make`, a function of NumPy's, makes of a shape and a dtype, as a tensor."""
    array = make(new_shape(name, shape), float_dtype(dtype, name))
    return made(tensor_class, array, requires_grad, name)


@quiet
def filled(name: str, shape: Shape, fill_value: Any, dtype: np.dtype[Any]) -> Any:
    """An array filled with one number, which must fit into the dtype."""
    fill_value = number(fill_value, f"{name}: fill_value")
    check_fits(f"{name}: fill_value", fill_value, dtype)
    value = np.array(int(fill_value) if dtype.kind in "iu" else fill_value, dtype)
    if isfinite(fill_value) and not np.isfinite(value):
        raise ValueError(f"{name}: fill_value: {shown(fill_value)} does not fit into {dtype}")
    return np.full(shape, value)


class CreationMethods(Theme):
    """Constructors.  A shape is one tuple or several arguments; the default dtype is float32.

    With requires_grad=True the result is a leaf that requires grad.  The `_like` methods take shape
    and dtype from a tensor.
    """

    __slots__ = ()

    @classmethod
    @also("size", "device")
    def empty(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Uninitialised memory: write the elements before reading them."""
        return new("empty", cls, np.empty, shape, dtype, requires_grad)

    @classmethod
    @also("size", "device")
    def zeros(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element 0."""
        return new("zeros", cls, np.zeros, shape, dtype, requires_grad)

    @classmethod
    @also("size", "device")
    def ones(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Every element 1."""
        return new("ones", cls, np.ones, shape, dtype, requires_grad)

    @classmethod
    @also("size", "device")
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
        number(fill_value, "full: fill_value")
        wanted = (
            new_array(fill_value, None, "full").dtype
            if dtype is None
            else check_dtype(dtype, "full")
        )
        return made(cls, filled("full", sizes, fill_value, wanted), requires_grad, "full")

    @classmethod
    @also("end", "device")
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
        first, end = number(first, "arange: start"), number(end, "arange: stop")
        step = number(step, "arange: step")
        if step == 0 or not all(map(isfinite, (first, end, step))):
            raise ValueError(
                "arange: expected finite numbers and a step other than 0; "
                f"got {shown(first)}, {shown(end)}, {shown(step)}"
            )
        span = end - first if step > 0 else first - end
        if span > MOST_ELEMENTS * abs(step):
            raise ValueError(
                f"arange: {shown(first)} to {shown(end)} in steps of {shown(step)} is more than "
                "an array can have"
            )
        whole = all(isinstance(given, int) for given in (first, end, step))
        wanted = INT if whole and dtype is None else float_dtype(dtype, "arange")
        values: Any = range(first, end, step) if whole else ()  # type: ignore[arg-type]
        reach = max(abs(values[0]), abs(values[-1]), abs(step)) if values else 0
        if reach > 1 << 62:  # NumPy makes floats or objects of them
            for limit in (values[0], values[-1]):
                check_fits("arange", limit, wanted)
            values = np.array(values, wanted)
        else:
            numbers = np.arange(first, end, step) if span > 0 else np.empty(0)
            values = converted("arange", numbers, wanted)
        return made(cls, values, requires_grad, "arange")

    @classmethod
    @also("end", "num", "device")
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
        first, last = float(number(start, "linspace: start")), float(number(stop, "linspace: stop"))
        wanted = float_dtype(dtype, "linspace")
        if wanted.kind == "b":
            raise TypeError("linspace: expected a dtype of numbers; got bool")
        values = np.linspace(first, last, count("linspace: steps", steps))
        return made(cls, converted("linspace", values, wanted), requires_grad, "linspace")

    @classmethod
    @also("device")
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
        new_shape("eye", (rows, columns))
        values = np.eye(rows, columns, dtype=float_dtype(dtype, "eye"))
        return made(cls, values, requires_grad, "eye")

    @also("size", "device")
    def new_empty(
        self, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """`empty`, by default with the dtype of this tensor."""
        return new(
            "new_empty", type(self), np.empty, shape, like(self, dtype, "new_empty"), requires_grad
        )

    @also("size", "device")
    def new_zeros(
        self, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """`zeros`, by default with the dtype of this tensor."""
        return new(
            "new_zeros", type(self), np.zeros, shape, like(self, dtype, "new_zeros"), requires_grad
        )

    @also("size", "device")
    def new_ones(
        self, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """`ones`, by default with the dtype of this tensor."""
        return new(
            "new_ones", type(self), np.ones, shape, like(self, dtype, "new_ones"), requires_grad
        )

    @also("size", "device")
    def new_full(
        self,
        shape: Any,
        fill_value: float,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """`full`, by default with the dtype of this tensor."""
        sizes, wanted = new_shape("new_full", (shape,)), like(self, dtype, "new_full")
        values = filled("new_full", sizes, fill_value, wanted)
        return made(type(self), values, requires_grad, "new_full")

    @also("device")
    def new_tensor(
        self, data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Tensor(data), by default with the dtype of this tensor."""
        values = new_array(data, like(self, dtype, "new_tensor"))
        return made(type(self), values, requires_grad, "new_tensor")

    @also("device")
    def empty_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Uninitialised memory in the shape of this tensor."""
        array = np.empty(self._data.shape, like(self, dtype, "empty_like"))
        return made(type(self), array, requires_grad, "empty_like")

    @also("device")
    def zeros_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Zeros in the shape of this tensor."""
        array = np.zeros(self._data.shape, like(self, dtype, "zeros_like"))
        return made(type(self), array, requires_grad, "zeros_like")

    @also("device")
    def ones_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Ones in the shape of this tensor."""
        array = np.ones(self._data.shape, like(self, dtype, "ones_like"))
        return made(type(self), array, requires_grad, "ones_like")

    @also("device")
    def full_like(
        self, fill_value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element `fill_value`, in the shape and dtype of this tensor.

        Integer dtypes cut off its fraction: 2.5 is 2.
        """
        values = filled("full_like", self._data.shape, fill_value, like(self, dtype, "full_like"))
        return made(type(self), values, requires_grad, "full_like")
