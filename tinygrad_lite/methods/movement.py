"""Shapes and axes: the same elements in another shape or order."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ..arrays.arguments import integer, shown
from ..arrays.ownership import memory_owner
from ..arrays.recorded import leaves
from ..arrays.shapes import (
    Axis,
    Shape,
    allocatable,
    broadcast_shape,
    line_axis,
    normalize_axes,
    normalize_axis,
    reshape_target,
    shape_from,
)
from ..engine.graph import TensorBase
from ..ops.indexing import Getitem
from ..ops.movement import Concatenate, Expand, Permute, Reshape
from ._keywords import also
from ._operands import converted, plain_array, shape_and_dtype
from ._positions import along
from ._theme import Theme


class MovementMethods(Theme):
    """Shapes and axes.  The results are views of the same memory where the layout allows it."""

    __slots__ = ()

    @also()
    def reshape(self, *shape: Any) -> Self:
        """The same elements, in C order, in another shape; one size may be -1."""
        return _reshaped("reshape", self, shape)

    @also("size")
    def view(self, *shape: Any) -> Self:
        """`reshape` without a copy; ValueError if the memory layout needs one.

        As in PyTorch: the caller may rely on writing through the view.  Only of images whose
        channels lie together, as convolutions leave them here, it is a copy: programs written for
        PyTorch, where they lie one after the other, view them as (N, -1).
        """
        result = _reshaped("view", self, shape)
        if memory_owner(result._data) is not memory_owner(self._data) and not _channels_last(self):
            raise ValueError(
                f"view: the memory layout of {self._data.shape} allows no view of shape "
                f"{result._data.shape}; use reshape"
            )
        return result

    def reshape_as(self, other: TensorBase) -> Self:
        """`reshape` to the shape of `other`."""
        return self.reshape(shape_and_dtype("reshape_as", other)[0])

    def view_as(self, other: TensorBase) -> Self:
        """`view` in the shape of `other`."""
        return self.view(shape_and_dtype("view_as", other)[0])

    def ravel(self) -> Self:
        """All elements along one axis."""
        return self.reshape(-1)

    @also("start_dim", "end_dim")
    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Self:
        """The axes from start_axis to end_axis, both included, merged into one."""
        shape = self._data.shape
        start = line_axis(start_axis, len(shape), "flatten", "start_axis")
        end = line_axis(end_axis, len(shape), "flatten", "end_axis")
        if start > end:
            raise ValueError(f"flatten: start_axis {start} comes after end_axis {end}")
        size = 1
        for number in shape[start : end + 1]:
            size *= number
        return self.reshape(*shape[:start], size, *shape[end + 1 :])

    @also("dim")
    def unflatten(self, axis: int, sizes: Sequence[int]) -> Self:
        """One axis split into several, of these sizes; one size may be -1."""
        shape = self._data.shape
        axis = normalize_axis(axis, len(shape), "unflatten")
        split = reshape_target(
            (shape[axis],), shape_from((sizes,), "unflatten: sizes"), "unflatten"
        )
        return self.reshape(*shape[:axis], *split, *shape[axis + 1 :])

    @also("dims", "order")
    def permute(self, *axes: Any) -> Self:
        """The axes in the given order, each named once."""
        order = normalize_axes(
            shape_from(axes, "permute: axes"), self._data.ndim, "permute", "axes"
        )
        if len(order) != self._data.ndim:
            raise ValueError(
                f"permute: axes: expected each of the {self._data.ndim} axes once; got {order}"
            )
        return Permute.apply(self, axes=order)

    @also("dim0", "dim1")
    def transpose(self, *axes: Any) -> Self:
        """Two axes exchanged, by default the first two; a sequence permutes all, as in NumPy."""
        if len(axes) not in (0, 2):
            return self.permute(*axes)
        return _exchanged("transpose", self, *(axes or (0, 1)))

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        return _exchanged("swapaxes", self, axis1, axis2)

    def moveaxis(self, source: Axis, destination: Axis) -> Self:
        """The source axes moved to the destinations; the others keep their order."""
        return _moved("moveaxis", self, source, destination)

    def movedim(self, source: Axis, destination: Axis) -> Self:
        """PyTorch's name for `moveaxis`."""
        return _moved("movedim", self, source, destination)

    def t(self) -> Self:
        """The transpose of a matrix; a vector or a number stays as it is."""
        if self._data.ndim > 2:
            raise ValueError(
                f"t: expected at most 2 dimensions; got shape {self._data.shape}; use mT for stacks"
            )
        return self.T

    @property
    def T(self) -> Self:  # NumPy's name
        """The axes in reverse order."""
        return Permute.apply(self, axes=tuple(range(self._data.ndim))[::-1])

    @property
    def mT(self) -> Self:  # NumPy's name
        """The last two axes exchanged: the transpose of each matrix in a stack."""
        return self.transpose(-2, -1)

    @also("size")
    def expand(self, *shape: Any) -> Self:
        """Broadcast to a larger shape, without using memory; -1 keeps a size."""
        target = shape_from(shape, "expand: shape")
        missing = len(target) - self._data.ndim
        target = tuple(
            self._data.shape[axis - missing] if size == -1 and axis >= missing else size
            for axis, size in enumerate(target)
        )
        allocatable(target, "expand: shape")
        if broadcast_shape(self._data.shape, target, name="expand") != target:
            raise ValueError(f"expand: {self._data.shape} does not broadcast to shape {target}")
        return Expand.apply(self, shape=target)

    def expand_as(self, other: TensorBase) -> Self:
        """`expand` to the shape of `other`."""
        return self.expand(shape_and_dtype("expand_as", other)[0])

    @also("dim")
    def unsqueeze(self, axis: int) -> Self:
        """A new axis of size 1, at `axis` of the result."""
        position = normalize_axis(axis, self._data.ndim + 1, "unsqueeze")
        shape = self._data.shape
        return self.reshape((*shape[:position], 1, *shape[position:]))

    @also("dim")
    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Self:
        """The axes of size 1 removed; if `axis` is given, only those of them that have size 1."""
        shape = self._data.shape
        axes = normalize_axes(axis, len(shape), "squeeze")
        return self.reshape(
            tuple(size for number, size in enumerate(shape) if number not in axes or size != 1)
        )

    @also("dims", "axis")
    def flip(self, *axes: Any) -> Self:
        """The elements in reverse order along these axes; a view."""
        given = axes[0] if len(axes) == 1 else axes
        turned = normalize_axes(given, self._data.ndim, "flip", "axes")
        steps = [-1 if axis in turned else None for axis in range(self._data.ndim)]
        index = (*(slice(None, None, step) for step in steps), ...)
        return Getitem.apply(self, index=index, distinct=True)

    @also("dim", "shift", "dims")
    def roll(self, shifts: Axis, axis: Axis = None) -> Self:
        """The elements shifted along axes; those shifted out at the end come in at the start.

        shifts: one number of positions, or one for each axis.  With axis None the flat data are
        shifted.  Always a copy.
        """
        if axis is None:
            return self.reshape(-1).roll(shifts, 0).reshape(self._data.shape)
        given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
        distances = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
        if len(distances) != len(given):
            raise ValueError(
                "roll: expected as many shifts as axes; "
                f"got shifts {shown(shifts)} for axis {shown(axis)}"
            )
        rolled = self
        for number, distance in zip(given, distances, strict=True):
            number = line_axis(number, self._data.ndim, "roll")
            size = self._data.shape[number] if self._data.ndim else 1
            cut = -integer(distance, "roll: shifts") % max(size, 1)
            if cut:
                halves = [
                    Getitem.apply(rolled, index=along(number, slice(*ends)), distinct=True)
                    for ends in ((cut, None), (0, cut))
                ]
                rolled = Concatenate.apply(*halves, axis=number)
        return _own(rolled, self)

    @also()
    def repeat(self, *repeats: Any) -> Self:
        """The whole tensor, this many times along each axis; extra numbers add axes in front.

        Always a copy.
        """
        return _repeated("repeat", self, shape_from(repeats, "repeat: repeats"))

    @also("dims", "reps")
    def tile(self, *repeats: Any) -> Self:
        """`repeat`, where fewer numbers than axes are those of the last axes, as in np.tile."""
        counts = shape_from(repeats, "tile: repeats")
        return _repeated("tile", self, (1,) * (self._data.ndim - len(counts)) + counts)

    @also("dim")
    def repeat_interleave(self, repeats: Any, axis: int | None = None) -> Self:
        """Each element repeated along `axis`; with axis None, along the flat data.

        repeats  an integer, or one for each element
        """
        if axis is None:
            return self.reshape(-1).repeat_interleave(repeats, 0)
        shape = self._data.shape
        axis = line_axis(axis, len(shape), "repeat_interleave")
        if not shape:
            return self.reshape(1).repeat_interleave(repeats, 0)
        counts = plain_array(repeats, "repeat_interleave: repeats")
        leaves("repeat_interleave by an array, whose shape depends on values", counts)
        if counts.dtype.kind not in "iu" or counts.shape not in ((), (1,), (shape[axis],)):
            raise ValueError(
                f"repeat_interleave: repeats: expected one integer, or {shape[axis]} of them; "
                f"got {shown(repeats)}"
            )
        if counts.size and counts.min() < 0:
            raise ValueError(
                f"repeat_interleave: repeats: expected no negative number; got {counts.min()}"
            )
        if counts.ndim:
            positions = np.repeat(np.arange(shape[axis]), counts)
            return Getitem.apply(self, index=along(axis, positions), distinct=False)
        count = int(counts)
        allocatable((count, *shape), "repeat_interleave: repeats")
        apart = self.unsqueeze(axis + 1).expand(*shape[: axis + 1], count, *shape[axis + 1 :])
        repeated = apart.reshape(*shape[:axis], shape[axis] * count, *shape[axis + 1 :])
        return _own(repeated, self)


def _reshaped(name: str, x: Any, shape: Sequence[Any]) -> Any:
    """x in another shape, as given to a method called `name`."""
    target = reshape_target(x._data.shape, shape_from(shape, f"{name}: shape"), name)
    return x if target == x._data.shape else Reshape.apply(x, shape=target)


def _channels_last(x: TensorBase) -> bool:
    """Whether these are images with the channels together, and no other tensor has their memory."""
    if x._data.ndim < 3 or not np.moveaxis(x._data, 1, -1).flags.c_contiguous:
        return False
    views = [reference() for reference in (x._views or {}).copy().values()]
    return all(view is None or view is x for view in views)


def _moved(name: str, x: TensorBase, source: Axis, destination: Axis) -> Any:
    """The source axes moved to the destinations, for a method called `name`."""
    moved = normalize_axes(source, x._data.ndim, name, "source")
    targets = normalize_axes(destination, x._data.ndim, name, "destination")
    if len(moved) != len(targets):
        raise ValueError(
            f"{name}: expected as many axes in destination as in source; "
            f"got source {moved} and destination {targets}"
        )
    order = [axis for axis in range(x._data.ndim) if axis not in moved]
    for position, axis in sorted(zip(targets, moved, strict=True)):
        order.insert(position, axis)
    return Permute.apply(x, axes=tuple(order))


def _repeated(name: str, x: Any, counts: Shape) -> Any:
    """The whole tensor, this many times along each axis, for a method called `name`."""
    shape = (1,) * (len(counts) - x._data.ndim) + x._data.shape
    if len(counts) < len(shape) or min(counts, default=0) < 0:
        raise ValueError(
            f"{name}: repeats: expected a number for each of the {len(shape)} axes; "
            f"got {shown(counts)}"
        )
    pairs = list(zip(counts, shape, strict=True))
    allocatable(tuple([count * size for count, size in pairs]), f"{name}: repeats")
    apart = x.reshape([size for one in shape for size in (1, one)])
    repeated = apart.expand([size for both in pairs for size in both]).reshape(
        [count * size for count, size in pairs]
    )
    return _own(repeated, x)


def _exchanged(name: str, x: TensorBase, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    ndim = x._data.ndim
    i, j = line_axis(axis1, ndim, name, "axis1"), line_axis(axis2, ndim, name, "axis2")
    exchanged = {i: j, j: i}
    return Permute.apply(x, axes=tuple([exchanged.get(axis, axis) for axis in range(ndim)]))


def _own(result: Any, given: TensorBase) -> Any:
    """The result, copied unless it has writable memory that `given` does not share."""
    data = result._data
    if data.flags.writeable and memory_owner(data) is not memory_owner(given._data):
        return result
    return converted(result, data.dtype)
