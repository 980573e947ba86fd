"""Values written into existing tensors, so that all references to them see the new ones.

Every function registers in `undo` how to take back what it is about to do.
"""

from contextlib import ExitStack
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments

from ...reflection import Found

Array: TypeAlias = NDArray[Any]
Undo: TypeAlias = ExitStack  # undoes the last change first


def array_of(value: Any) -> Array | None:
    """The array of a buffer."""
    array: Array | None = value.data if isinstance(value, Tensor) else value
    return array


def check_array(name: str, own: Array, given: Any) -> None:
    if not isinstance(given, np.ndarray) or given.shape != own.shape or given.dtype != own.dtype:
        raise ValueError(
            f"{name}: expected {own.dtype} of shape {own.shape}; got {arguments.shown(given)}"
        )


def check_gradient(name: str, shape: tuple[int, ...], given: Any) -> None:
    known = isinstance(given, np.ndarray) and given.dtype.kind == "f" and given.shape == shape
    if not known:
        raise ValueError(
            f"the gradient of {name}: expected floats of shape {shape}; "
            f"got {arguments.shown(given)}"
        )


def _layout(array: Array) -> list[int]:
    """The axes from the longest stride to the shortest, without those of size 1."""
    axes = [axis for axis in range(array.ndim) if array.shape[axis] > 1]
    return sorted(axes, key=lambda axis: -abs(array.strides[axis]))


def write(tensor: Tensor, array: Array, undo: Undo) -> None:
    """Put the values into a tensor, in its own memory unless it has another memory layout."""
    data = tensor.data
    if _layout(data) == _layout(array):
        undo.callback(_copy, tensor, data, data.copy(order="K"))
        _copy(tensor, data, array)
    else:  # the bits of a product or a sum depend on it
        undo.callback(setattr, tensor, "data", data)
        tensor.data = array
        tensor.mark_changed()


def _copy(tensor: Tensor, data: Array, values: Array) -> None:
    np.copyto(data, values)
    tensor.mark_changed()


def write_buffer(part: Found, attribute: str, array: Array | None, undo: Undo) -> None:
    """Put the values into a buffer, or assign a new one if dtype or shape differ."""
    own = part.value
    same = isinstance(own, Tensor) and own.is_leaf and own.data.flags.writeable
    if same and array is not None and (own.dtype, own.shape) == (array.dtype, array.shape):
        write(own, array, undo)
    elif own is not None or array is not None:
        undo.callback(setattr, part.module, attribute, own)
        setattr(part.module, attribute, None if array is None else Tensor.from_array(array))


def set_gradient(tensor: Tensor, gradient: Array | None, undo: Undo) -> None:
    undo.callback(setattr, tensor, "grad", tensor.grad)
    tensor.grad = None if gradient is None else Tensor.from_array(gradient)


def set_requires_grad(tensor: Tensor, wanted: bool) -> None:
    if tensor.requires_grad != wanted:
        tensor.requires_grad = wanted
