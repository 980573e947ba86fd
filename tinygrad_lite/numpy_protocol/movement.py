"""NumPy's functions on shapes, axes and positions: reshape, concatenate, pad, take ..."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.arguments import choice, is_integer, shown, sizes
from ..arrays.shapes import broadcast_shape, normalize_axes, normalize_axis
from ..methods._operands import plain_array, tensor_or_array
from ..methods._positions import along, check_range, integers
from ..methods.joining import JoiningMethods, concatenate, stacked

PAD_MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    mode = choice(mode, "np.pad: mode", *PAD_MODES)
    given = plain_array(pad_width, "np.pad: pad_width", "integers", "iu")
    if given.shape not in ((), (1,), (2,), (1, 2), (x.ndim, 1), (x.ndim, 2)):
        raise ValueError(
            "np.pad: pad_width: expected an integer, a pair (before, after), or a pair for each of "
            f"{x.ndim} axes; got {shown(pad_width)}"
        )
    widths = np.broadcast_to(given, (x.ndim, 2)).tolist()
    return x.pad(tuple(map(tuple, widths)), PAD_MODES[mode], constant_values)


def _at_least(x: Any, ndim: int) -> Any:
    if not hasattr(x, "ndim"):
        return x  # a number or a list, for which joining raises
    return x.reshape((1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def _all_at_least(ndim: int) -> Callable[..., Any]:
    """np.atleast_1d or np.atleast_2d; a tuple for several arrays."""

    def call(*xs: Any) -> Any:
        found = tuple(_at_least(tensor_or_array(x, "np.atleast"), ndim) for x in xs)
        return found if len(found) > 1 else found[0]

    return call


def _expand_dims(x: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = x.ndim + len(axes)
    for position in sorted(normalize_axes(axes, ndim, "np.expand_dims")):
        x = x.unsqueeze(position)
    return x


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        return concatenate([np.ravel(_at_least(x, 1)) for x in arrays])
    return concatenate(arrays, axis)


def _hstack(tup: Any) -> Any:
    parts = [_at_least(x, 1) for x in tup]
    return concatenate(parts, 1 if np.ndim(parts[0]) > 1 else 0)


def _array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    parts = indices_or_sections
    return list(x.tensor_split([*parts] if isinstance(parts, (tuple, list)) else parts, axis))


def _split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    length = x.shape[normalize_axis(axis, x.ndim, "np.split")]
    if is_integer(indices_or_sections) and length % max(int(indices_or_sections), 1):
        raise ValueError("np.split: the parts would differ in size; np.array_split allows that")
    return _array_split(x, indices_or_sections, axis)


def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    return x.repeat_interleave(repeats, axis)


def _tile(x: Any, reps: Any) -> Any:
    return x.tile(reps.tolist() if isinstance(reps, np.ndarray) else reps)


def _roll(x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        shift = plain_array(shift, "np.roll: shift", "integers", "iu")
        return x.roll(sum(shift.ravel().tolist()))
    shift = plain_array(shift, "np.roll: shift", "integers", "iu")
    axis = plain_array(axis, "np.roll: axis", "integers", "iu")
    broadcast_shape(shift.shape, axis.shape, name="np.roll")
    shifts, axes = np.broadcast_arrays(shift, axis)
    return x.roll(shifts.ravel().tolist(), axes.ravel().tolist())


def _squeeze(x: Any, axis: Any = None) -> Any:
    for number in () if axis is None else normalize_axes(axis, x.ndim, "np.squeeze"):
        if x.shape[number] != 1:
            raise ValueError(f"np.squeeze: axis {number} has size {x.shape[number]}, not 1")
    return x.squeeze(axis)


def _take(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return _take(x.reshape(-1), indices, 0)
    axis = normalize_axis(axis, x.ndim, "np.take")
    positions = integers("np.take", indices)
    size = x.shape[axis]
    check_range("np.take", positions, -size, size, f"axis {axis}")
    taken = x[along(axis, positions.reshape(-1))]  # never a single integer, which gives a view
    return taken.reshape(x.shape[:axis] + positions.shape + x.shape[axis + 1 :])


def _take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        return x.reshape(-1).take_along_axis(indices, 0)
    return x.take_along_axis(indices, axis)


def _nonzero(x: Any) -> tuple[Any, ...]:
    positions = x.nonzero()
    return tuple(positions[:, axis] for axis in range(x.ndim))


def _reshape(x: Any, shape: Any, order: str = "C") -> Any:
    """In order "F" the first axis runs fastest: so it is "C" of the transposed."""
    if choice(order, "np.reshape: order", "C", "F") == "C":
        return x.reshape(shape)
    return x.T.reshape(sizes(shape, "np.reshape: shape", -1)[::-1]).T


def _windows(x: Any, window_shape: int, axis: int | None = None) -> Any:
    if axis is None and x.ndim != 1:
        raise TypeError("sliding_window_view on a Tensor: expected one integer and its axis")
    return x.unfold(0 if axis is None else axis, window_shape, 1)


MOVEMENT: dict[Any, Callable[..., Any]] = {
    np.reshape: _reshape,
    np.ravel: lambda x, order="C": _reshape(x, -1, order),
    np.transpose: lambda x, axes=None: x.T if axes is None else x.permute(axes),
    np.matrix_transpose: lambda x: x.mT,
    np.permute_dims: lambda x, axes=None: x.T if axes is None else x.permute(axes),
    np.swapaxes: lambda x, axis1, axis2: x.transpose(axis1, axis2),
    np.moveaxis: lambda x, source, destination: x.moveaxis(source, destination),
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: lambda x, shape: x.expand(shape),
    np.atleast_1d: _all_at_least(1),
    np.atleast_2d: _all_at_least(2),
    np.flip: lambda m, axis=None: m.flip(tuple(range(m.ndim)) if axis is None else axis),
    np.flipud: lambda m: m.flip(0),
    np.fliplr: lambda m: m.flip(1),
    np.roll: _roll,
    np.repeat: _repeat,
    np.tile: _tile,
    np.pad: _pad,
    np.lib.stride_tricks.sliding_window_view: _windows,
    np.concatenate: _concatenate,
    np.stack: stacked,
    np.vstack: lambda tup: concatenate([_at_least(x, 2) for x in tup]),
    np.hstack: _hstack,
    np.meshgrid: lambda *xi, indexing="xy": JoiningMethods.meshgrid(*xi, indexing=indexing),
    np.split: _split,
    np.array_split: _array_split,
    np.take: _take,
    np.take_along_axis: _take_along_axis,
    np.diag: lambda v, k=0: v.diag(k),
    np.diagonal: lambda x, offset=0, axis1=0, axis2=1: x.diagonal(offset, axis1, axis2),
    np.tril: lambda m, k=0: m.tril(k),
    np.triu: lambda m, k=0: m.triu(k),
    np.nonzero: _nonzero,
    np.argwhere: lambda x: x.nonzero(),
}
