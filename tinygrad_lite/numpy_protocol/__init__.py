"""NumPy's own functions on tensors: np.exp(t), array + t, np.sum(t, axis=0, keepdims=True).

NumPy calls the two protocols below (NEP 13 and NEP 18) for an argument that is not an array.  The
tables of this folder list what is supported; anything else raises, so that nothing becomes an
object array or silently loses its graph.
"""

from collections.abc import Callable
from inspect import signature
from math import prod
from typing import Any

import numpy as np

from ..arrays.shapes import Axis, normalize_axes
from ..engine.graph import TensorBase
from ..methods._products import matrix_product
from .elementwise import ELEMENTWISE, UFUNCS
from .linalg import LINALG
from .movement import MOVEMENT
from .reductions import ACCUMULATIONS, REDUCING, REDUCTIONS


def _size(a: TensorBase, axis: Axis = None) -> int:
    """The number of elements, or how many there are along these axes."""
    shape = a._data.shape
    return prod([shape[number] for number in normalize_axes(axis, len(shape), "np.size")])


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **REDUCING,
    **ELEMENTWISE,
    **MOVEMENT,
    np.copy: lambda x: x.clone(),
    np.empty_like: lambda prototype, dtype=None: prototype.empty_like(dtype),
    np.zeros_like: lambda a, dtype=None: a.zeros_like(dtype),
    np.ones_like: lambda a, dtype=None: a.ones_like(dtype),
    np.full_like: lambda a, fill_value, dtype=None: a.full_like(fill_value, dtype),
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: _size,
    **LINALG,
}


# The supported ufuncs, by the method called: the ufunc itself, its reduce or its accumulate.
METHODS = {
    "__call__": {**UFUNCS, np.matmul: matrix_product},
    "reduce": REDUCTIONS,
    "accumulate": ACCUMULATIONS,
}


class NumpyProtocol(TensorBase):
    """NumPy's two protocols, and the conversion to an ndarray."""

    __slots__ = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if options.get("out") is not None:
            raise TypeError(
                f"np.{ufunc.__name__}: a Tensor cannot be written into an ndarray (out= or +=); "
                "write y = x + t, or use t.numpy()"
            )
        table = METHODS.get(method, {})
        name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        return _call(table.get(ufunc), name, inputs, options)

    def __array_function__(
        self, function: Any, types: Any, inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        module = function.__module__.replace("numpy", "np", 1)
        return _call(FUNCTIONS.get(function), f"{module}.{function.__name__}", inputs, options)


def _call(found: Any, name: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if found is None:
        raise TypeError(
            f"{name} is not supported on a Tensor; use a method of Tensor, or "
            f"{name}(t.numpy(), ...), which records no gradient"
        )
    try:
        return found(*inputs, **options)
    except TypeError:
        try:
            signature(found).bind(*inputs, **options)
        except TypeError as error:  # an argument that is not supported
            raise TypeError(f"{name} on a Tensor: {error}") from None
        raise
