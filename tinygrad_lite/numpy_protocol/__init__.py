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

from ..arrays.arguments import flag, wrong
from ..arrays.shapes import Axis, normalize_axes
from ..engine.graph import TensorBase
from ..engine.recording import is_grad_enabled
from ..methods._products import matrix_product
from .elementwise import ELEMENTWISE, UFUNCS
from .leaving import in_other_library, leave_for_array
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
        if self._node is not None:
            leave_for_array()
        return np.array(self._data, dtype=dtype, copy=copy)

    @property
    def _mask(self) -> Any:
        """What numpy.ma asks for where it takes `_data` instead of calling `__array__`."""
        if self._node is not None:
            leave_for_array()
        raise AttributeError("a Tensor has no mask")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        if method == "at" or options.get("out") is not None:
            return _write_array(name, getattr(ufunc, method), inputs, options)
        found = METHODS.get(method, {}).get(ufunc)
        return _call(found, getattr(ufunc, method), name, inputs, options)

    def __array_function__(
        self, function: Any, types: Any, inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        module = function.__module__.replace("numpy", "np", 1)
        name = f"{module}.{function.__name__}"
        return _call(FUNCTIONS.get(function), function, name, inputs, options)


def _write_array(name: str, function: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What writes into an ndarray: `array += t`, out=array, np.add.at(array, ...)."""
    given = [*inputs, *options.values()]
    if any(isinstance(array, TensorBase) for array in options.get("out", inputs[:1])):
        raise TypeError(f"{name}: a Tensor takes no out=; write t = ..., or out=t.data")
    if is_grad_enabled() and any(getattr(value, "_node", None) is not None for value in given):
        raise TypeError(
            f"{name}: a Tensor that requires grad cannot be written into an ndarray (out= or +=), "
            "which has no graph; write y = x + t, or do it in no_grad(), or with t.detach()"
        )
    for array in options.get("out", ()):
        if not isinstance(array, np.ndarray | None):
            raise wrong(f"{name}: out", "an ndarray", array)
    options = {key: _array(value) for key, value in options.items()}
    return function(*map(_array, inputs), **options)


def _array(value: Any) -> Any:
    return value._data if isinstance(value, TensorBase) else value


def _converted(value: Any) -> Any:
    """The arguments with an ndarray for each tensor, which is told where a graph is lost."""
    if isinstance(value, dict):
        return {key: _converted(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_converted, value))
    return np.asarray(value) if isinstance(value, TensorBase) else value


def _call(
    found: Any, function: Any, name: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    if found is None and in_other_library():  # which can do with arrays: a plot, for example
        return function(*_converted(inputs), **_converted(options))
    if found is None:
        raise TypeError(
            f"{name} is not supported on a Tensor; use a method of Tensor, or "
            f"{name}(t.numpy(), ...), which records no gradient"
        )
    if "keepdims" in options:
        keepdims = _keepdims(options["keepdims"], f"{name}: keepdims")
        options = {**options, "keepdims": keepdims}
    try:
        return found(*inputs, **options)
    except (TypeError, ValueError, IndexError) as error:
        _rename(error, name)
        if type(error) is not TypeError:
            raise
        try:
            signature(found).bind(*inputs, **options)
        except TypeError:
            inputs, options = _by_keyword(function, inputs, options)
            try:
                signature(found).bind(*inputs, **options)
            except TypeError as mismatch:  # an argument that is not supported
                raise TypeError(f"{name} on a Tensor: {mismatch}") from None
            return _call(found, function, name, inputs, options)
        raise


def _by_keyword(
    function: Any, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same call with all arguments by NumPy's names but the first, which here has another.

    What changes nothing is left out: out=None, where=True.
    """
    if not isinstance(getattr(function, "__self__", None), np.ufunc):
        try:
            found = signature(function).bind(*inputs, **options)
        except (TypeError, ValueError):  # NumPy has no such argument, or shows no signature
            return inputs, options
        (_, first), *others = found.arguments.items()
        inputs, options = (first,), dict(others)
    return inputs, {
        key: value
        for key, value in options.items()
        if not (key in ("out", "dtype") and value is None)
        and not (key == "where" and value is True)
    }


def _keepdims(value: Any, name: str) -> bool:
    """True or False, for which NumPy also takes 1 and 0."""
    return bool(value) if type(value) is int and value in (0, 1) else flag(value, name)


def _rename(error: Exception, name: str) -> None:
    """In an error of ours, NumPy's name instead of the method's: the user called NumPy."""
    method, colon, rest = str(error).partition(": ")
    if colon and " " not in method and len(error.args) == 1:
        error.args = (f"{name}: {rest}",)
