"""Shapes and axes: views of the same elements."""

from typing import Any, Self

from ..graph import TensorBase
from ..ops.movement import Expand, Permute, Reshape
from ..shapes import broadcast_shape, normalize_axes, normalize_axis, reshape_target, shape_from


class MovementMethods(TensorBase):
    """The results look at the same memory, where the layout of the elements allows it."""

    __slots__ = ()

    def reshape(self, *shape: Any) -> Self:
        """Another shape with the same elements in C order; one size may be -1."""
        target = reshape_target(self._data.shape, shape_from(shape))
        return self if target == self._data.shape else Reshape.apply(self, shape=target)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Self:
        """The axes from start_axis to end_axis, both included, made one."""
        shape, ndim = self._data.shape, max(self._data.ndim, 1)
        start = normalize_axis(start_axis, ndim, "flatten")
        end = normalize_axis(end_axis, ndim, "flatten")
        if start > end:
            raise ValueError(f"flatten: axis {start_axis} comes after axis {end_axis}")
        size = 1
        for number in shape[start : end + 1]:
            size *= number
        return self.reshape(*shape[:start], size, *shape[end + 1 :])

    def permute(self, *axes: Any) -> Self:
        """The axes in the given order, each named once."""
        order = normalize_axes(shape_from(axes), self._data.ndim, "permute")
        if len(order) != self._data.ndim:
            raise ValueError(
                f"permute: expected each of the {self._data.ndim} axes once; got {shape_from(axes)}"
            )
        return Permute.apply(self, axes=order)

    def transpose(self, *axes: Any) -> Self:
        """Two axes exchanged, the first two if none are named; a sequence permutes, as in NumPy."""
        ndim = self._data.ndim
        if len(axes) not in (0, 2):
            return self.permute(*axes)
        first, second = axes or (0, 1)
        order = list(range(ndim))
        i = normalize_axis(first, ndim, "transpose")
        j = normalize_axis(second, ndim, "transpose")
        order[i], order[j] = j, i
        return Permute.apply(self, axes=tuple(order))

    @property
    def T(self) -> Self:  # NumPy's name
        """The axes in reverse order."""
        return Permute.apply(self, axes=tuple(range(self._data.ndim))[::-1])

    @property
    def mT(self) -> Self:  # NumPy's name
        """The last two axes exchanged: the transpose of each matrix of a stack."""
        return self.transpose(-2, -1)

    def expand(self, *shape: Any) -> Self:
        """Repeated by broadcasting to a larger shape; -1 keeps a size.  Takes no memory."""
        target = shape_from(shape)
        missing = len(target) - self._data.ndim
        target = tuple(
            self._data.shape[axis - missing] if size == -1 and axis >= missing else size
            for axis, size in enumerate(target)
        )
        if broadcast_shape(self._data.shape, target, name="expand") != target:
            raise ValueError(f"expand: {self._data.shape} does not broadcast to {target}")
        return Expand.apply(self, shape=target)

    def unsqueeze(self, axis: int) -> Self:
        """A new axis of size 1, at `axis` of the result."""
        place = normalize_axis(axis, self._data.ndim + 1, "unsqueeze")
        shape = self._data.shape
        return self.reshape((*shape[:place], 1, *shape[place:]))

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Self:
        """Without the axes of size 1, or without those named where their size is 1."""
        shape = self._data.shape
        axes = normalize_axes(axis, len(shape), "squeeze")
        return self.reshape(
            tuple(size for number, size in enumerate(shape) if number not in axes or size != 1)
        )
