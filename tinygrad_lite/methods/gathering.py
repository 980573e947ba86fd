"""Reading and writing at positions along an axis, by masks, and on diagonals."""

from typing import Any, Self

import numpy as np

from ..arrays.arguments import choice, flag, integer
from ..arrays.recorded import leaves
from ..arrays.shapes import allocatable, broadcast_shape, line_axis, normalize_axis
from ..engine.graph import Array, TensorBase
from ..ops.indexing import Diagonal, Getitem, ScatterAdd, ScatterExtreme, Setitem
from ..ops.movement import Concatenate
from ..ops.reduce import Prod
from ..ops.selection import Mask
from ._keywords import also
from ._operands import (
    as_tensor,
    cast,
    check_fits,
    in_single,
    one_number,
    operand,
    plain_array,
    scaled,
)
from ._positions import along, as_line, check_range, integers
from ._theme import Theme

EXTREMES = {"amax": np.maximum, "amin": np.minimum}


class GatheringMethods(Theme):
    """Gather and scatter, masks, diagonals and triangles.

    Positions are integers from 0 to the size of the axis - 1; IndexError for others.
    """

    __slots__ = ()

    @also("dim")
    @as_line
    def gather(self, axis: int, index: Any) -> Self:
        """y[i, j, ...] = x[index[i, j, ...], j, ...] for axis 0, and likewise for others.

        index  integers, with the number of axes of x; along the other axes at most as long as x

        The result has the shape of the index.
        """
        return Getitem.apply(self, index=self._along("gather", axis, index), distinct=False)

    @also("dim", "indices")
    def take_along_axis(self, index: Any, axis: int) -> Self:
        """`gather` as in NumPy: index and x broadcast, and negative positions count from the end.

        np.take_along_axis(x, np.argsort(x, axis), axis) sorts.
        """
        shape, positions = self._data.shape, integers("take_along_axis", index)
        axis = line_axis(axis, len(shape), "take_along_axis")
        if not shape and positions.shape in ((), (1,)):
            line = self.reshape(1).take_along_axis(positions.reshape(1), 0)
            return line.reshape(positions.shape)
        if positions.ndim != len(shape):
            raise ValueError(
                f"take_along_axis: expected an index of {len(shape)} axes; "
                f"got shape {positions.shape}"
            )
        size = shape[axis]
        check_range("take_along_axis", positions, -size, size, f"axis {axis}")
        positions = np.where(positions < 0, positions + size, positions)
        ones = [(*a[:axis], 1, *a[axis + 1 :]) for a in (shape, positions.shape)]
        common = broadcast_shape(*ones, name="take_along_axis")
        ours, theirs = (
            (*common[:axis], a[axis], *common[axis + 1 :]) for a in (shape, positions.shape)
        )
        return self.expand(ours).gather(axis, np.broadcast_to(positions, theirs))

    @also("dim", "value")
    @as_line
    def scatter(self, axis: int, index: Any, src: Any, reduce: str | None = None) -> Self:
        """x with y[index[i, j, ...], j, ...] = src[i, j, ...] for axis 0, and likewise for others.

        src     a tensor at least as long as the index along each axis, or a number
        reduce  None: src replaces the element; if several would, the last one does, and only it
                gets the gradient.  "add": src is added.  "multiply": x is multiplied by src
        """
        if choice(reduce, "scatter: reduce", None, "add", "multiply") is not None:
            kind = "sum" if reduce == "add" else "prod"
            return self._scatter_reduce("scatter", axis, index, src, kind, True)
        positions = self._along("scatter", axis, index)
        value = self._source("scatter", src, positions)
        return Setitem.apply(self, value, index=positions, distinct=False)

    @also("dim")
    @as_line
    def scatter_add(self, axis: int, index: Any, src: Any) -> Self:
        """x with src[i, j, ...] added at [index[i, j, ...], j, ...] for axis 0; see `scatter`."""
        return self._scatter_reduce("scatter_add", axis, index, src, "sum", True)

    @also("dim")
    @as_line
    def scatter_reduce(
        self, axis: int, index: Any, src: Any, reduce: str, include_self: bool = True
    ) -> Self:
        """x with the elements that the index names replaced by a reduction of src; see `scatter`.

        reduce        "sum", "prod", "mean", "amax" or "amin"; equal extremes share the gradient
                      evenly
        include_self  whether x's own element is included in the reduction

        "prod" needs memory for a copy of x for each value that goes to the same element, and has
        exact gradients also where values are 0.  An element of x that is not included gets no share
        of the gradient; in PyTorch it does.
        """
        choice(reduce, "scatter_reduce: reduce", "sum", "prod", "mean", "amax", "amin")
        include_self = flag(include_self, "scatter_reduce: include_self")
        return self._scatter_reduce("scatter_reduce", axis, index, src, reduce, include_self)

    @in_single
    def _scatter_reduce(
        self, name: str, axis: int, index: Any, src: Any, reduce: str, include_self: bool
    ) -> Any:
        positions = self._along(name, axis, index)
        value = self._source(name, src, positions)
        x, shape = self, self._data.shape
        if reduce in EXTREMES:
            extreme = EXTREMES[reduce]
            return ScatterExtreme.apply(
                x, value, index=positions, extreme=extreme, include_self=include_self
            )
        if not include_self:
            neutral = 1 if reduce == "prod" else 0
            x = Setitem.apply(x, neutral, index=positions, distinct=False)
        if reduce == "prod":
            leaves("products scattered, whose memory depends on values", *positions)
            layer = _turn(positions, shape)
            layers = x._wrap(np.ones((layer.max(initial=-1) + 1, *shape), x._data.dtype), None)
            layers = Setitem.apply(layers, value, index=(layer, *positions), distinct=True)
            return Prod.apply(Concatenate.apply(x.reshape(1, *shape), layers, axis=0), axes=(0,))
        if reduce == "mean" and self._data.dtype.kind != "f":  # whose sum may need more than int8
            x, value = cast(x, np.int64), cast(value, np.int64)
        total = x + ScatterAdd.apply(value, index=positions, distinct=False, shape=shape)
        if reduce == "sum":
            return total
        ones = np.ones(value.shape, np.int64)
        counts = ScatterAdd.apply(ones, index=positions, distinct=False, shape=shape)
        counts = np.maximum(counts + include_self, 1)
        if self._data.dtype.kind == "f":
            return total / counts.astype(self._data.dtype)
        return cast(total // counts, self._data.dtype)

    @also("dim")
    def narrow(self, axis: int, start: int, length: int) -> Self:
        """`length` positions along `axis`, from `start` on.  A view."""
        axis = normalize_axis(axis, self._data.ndim, "narrow")
        size = self._data.shape[axis]
        first, count = integer(start, "narrow: start"), integer(length, "narrow: length", 0)
        first += size if first < 0 else 0
        if not 0 <= first <= size - count:
            raise ValueError(
                f"narrow: axis {axis} has size {size}; it has no {count} positions from {start} on"
            )
        return self[along(axis, slice(first, first + count))]

    @also("dim")
    def select(self, axis: int, index: int) -> Self:
        """The part at one position along `axis`, without that axis.  A view."""
        axis = normalize_axis(axis, self._data.ndim, "select")
        position, size = integer(index, "select: index"), self._data.shape[axis]
        if not -size <= position < size:
            raise IndexError(f"select: axis {axis} has size {size}; got position {position}")
        return self[along(axis, position)]

    @also("indices")
    def take(self, index: Any) -> Self:
        """The elements at these positions in the flat data, in the shape of the index.

        Negative positions count from the end.
        """
        positions, size = integers("take", index), self._data.size
        check_range("take", positions, -size, size, "the flat data")
        return self.reshape(-1)[positions]

    @also("dim")
    @as_line
    def index_select(self, axis: int, index: Any) -> Self:
        """The slices of x at these positions along `axis`, in this order.  index: (n,)."""
        axis, positions = self._lines("index_select", axis, index)
        return Getitem.apply(self, index=along(axis, positions), distinct=False)

    @also("dim", "source")
    @as_line
    def index_add(self, axis: int, index: Any, src: Any, *, alpha: float = 1) -> Self:
        """x with alpha times the slices of src along `axis` added there.  index: (n,)."""
        axis, positions = self._lines("index_add", axis, index)
        shape = self._data.shape
        value = self._castable("index_add", operand(src, "index_add: src"))
        expected = (*shape[:axis], positions.size, *shape[axis + 1 :])
        if value.shape == () and expected == (1,):
            value = value.reshape(1)
        if value.shape != expected:
            raise ValueError(f"index_add: expected src of shape {expected}; got {value.shape}")
        where = along(axis, positions)
        added = ScatterAdd.apply(value, index=where, distinct=False, shape=shape)
        return self + scaled("index_add", added, alpha)

    @also("dim")
    @as_line
    def index_fill(self, axis: int, index: Any, value: Any) -> Self:
        """x with `value`, a number, at these positions along `axis`.  index: (n,)."""
        axis, positions = self._lines("index_fill", axis, index)
        fill = one_number("index_fill: value", value)
        check_fits("index_fill", self._data, fill)
        if isinstance(fill, TensorBase):
            fill = cast(fill, self._data.dtype, "index_fill")
        return Setitem.apply(self, fill, index=along(axis, positions), distinct=False)

    def masked_select(self, mask: Any) -> Self:
        """The elements where the bool mask is True, as one axis.  x and the mask broadcast."""
        array = plain_array(mask, "masked_select: mask", "bools, as x > 0 gives", "b")
        shape = broadcast_shape(self._data.shape, array.shape, name="masked_select")
        leaves("masked_select, whose shape depends on values", array)
        return self.expand(shape)[np.broadcast_to(array, shape)]

    def nonzero(self, as_tuple: bool = False) -> Any:
        """The positions (n, ndim) of the elements that are not 0, int64.  No gradient.

        With as_tuple, one tensor (n,) for each axis, as in x[x.nonzero(as_tuple=True)].
        """
        leaves("nonzero, whose shape depends on values", self._data)
        found = np.argwhere(self._data).astype(np.int64, copy=False)
        if flag(as_tuple, "nonzero: as_tuple"):
            return tuple(self._wrap(np.ascontiguousarray(line), None) for line in found.T)
        return self._wrap(found, None)

    def one_hot(self, num_classes: int = -1) -> Self:
        """(...) -> (..., num_classes): 1 at the position that each integer names, else 0; int64.

        num_classes  -1 for one more than the largest integer
        """
        labels = integers("one_hot", self)
        num_classes = integer(num_classes, "one_hot: num_classes", least=-1)
        if num_classes == -1:
            if not labels.size:
                raise ValueError("one_hot: no elements, so num_classes must be given")
            leaves("one_hot without num_classes, whose shape depends on values", labels)
            num_classes = int(labels.max()) + 1
        check_range("one_hot", labels, 0, num_classes, "classes")
        return self._wrap((labels[..., None] == np.arange(num_classes)).astype(np.int64), None)

    @also("dim1", "dim2")
    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """x[..., i, i + offset] for two axes; the diagonal is the last axis.  A view."""
        ndim = self._data.ndim
        first, second = (
            normalize_axis(axis, ndim, "diagonal", name)
            for name, axis in (("axis1", axis1), ("axis2", axis2))
        )
        if first == second:
            raise ValueError(
                f"diagonal: expected two different axes; got axis1 {first} and axis2 {second}"
            )
        x = self.moveaxis((first, second), (-2, -1))
        rows, columns = x.shape[-2:]
        offset = integer(offset, "diagonal: offset")
        down, right = max(-offset, 0), max(offset, 0)
        size = max(min(rows - down, columns - right), 0)
        if (rows, columns) != (size, size):
            x = x[..., down : down + size, right : right + size]
        return Diagonal.apply(x)

    @also("k")
    def diag(self, diagonal: int = 0) -> Self:
        """A matrix with the vector x on a diagonal, else 0; or that diagonal of a matrix x.

        diagonal  its distance above the main diagonal; negative: below
        """
        if self._data.ndim == 2:
            return self.diagonal(diagonal)
        if self._data.ndim != 1:
            raise ValueError(f"diag: expected 1 or 2 dimensions; got shape {self._data.shape}")
        offset, positions = integer(diagonal, "diag: diagonal"), np.arange(self._data.size)
        index = (positions + max(-offset, 0), positions + max(offset, 0))
        side = positions.size + abs(offset)
        allocatable((side, side), "diag: diagonal")
        return ScatterAdd.apply(self, index=index, distinct=True, shape=(side, side))

    @also("k")
    def tril(self, diagonal: int = 0) -> Self:
        """The lower triangle of the last two axes: 0 above this diagonal, even where x is nan."""
        return self._triangle("tril", integer(diagonal, "tril: diagonal"), below=True)

    @also("k")
    def triu(self, diagonal: int = 0) -> Self:
        """The upper triangle of the last two axes: 0 below this diagonal, even where x is nan."""
        return self._triangle("triu", integer(diagonal, "triu: diagonal") - 1, below=False)

    def _triangle(self, name: str, diagonal: int, below: bool) -> Self:
        if self._data.ndim < 2:
            raise ValueError(f"{name}: expected 2 dimensions or more; got shape {self._data.shape}")
        rows, columns = self._data.shape[-2:]
        diagonal = max(min(diagonal, columns), -rows - 1)
        kept = np.tri(rows, columns, diagonal, dtype=bool) == below
        if self._data.dtype.kind != "f":
            return self._wrap(self._data * kept, None)
        return Mask.apply(self, mask=kept)

    def _along(self, name: str, axis: int, index: Any) -> tuple[Array, ...]:
        """The index of the whole tensor: the positions along `axis`, a grid along the others."""
        shape = self._data.shape
        axis, positions = self._positions(name, axis, index)
        if positions.ndim != len(shape) or any(
            size > limit
            for number, (size, limit) in enumerate(zip(positions.shape, shape, strict=True))
            if number != axis
        ):
            raise ValueError(
                f"{name}: expected an index of {len(shape)} axes, none but axis {axis} longer "
                f"than in {shape}; got shape {positions.shape}"
            )
        grid: list[Array] = list(np.indices(positions.shape, sparse=True))
        grid[axis] = positions
        return tuple(grid)

    def _lines(self, name: str, axis: int, index: Any) -> tuple[int, Array]:
        """The axis counted from the front, and the positions along it, 1-d."""
        axis, positions = self._positions(name, axis, index)
        if positions.ndim > 1:
            raise ValueError(
                f"{name}: expected an index of 1 dimension; got shape {positions.shape}"
            )
        return axis, positions.reshape(-1)

    def _positions(self, name: str, axis: int, index: Any) -> tuple[int, Array]:
        """The axis counted from the front, and the positions along it; IndexError if outside."""
        axis, positions = normalize_axis(axis, self._data.ndim, name), integers(name, index)
        check_range(name, positions, 0, self._data.shape[axis], f"axis {axis}")
        return axis, positions

    def _source(self, name: str, src: Any, positions: tuple[Array, ...]) -> Any:
        """The values for these positions: the leading part of src, or a number."""
        shape = np.broadcast_shapes(*(array.shape for array in positions))
        value = operand(src, f"{name}: src")
        value = self._castable(name, value)
        if not value.ndim:
            return as_tensor(value, self).expand(shape)
        if value.ndim != len(shape) or any(
            size < needed for size, needed in zip(value.shape, shape, strict=True)
        ):
            raise ValueError(
                f"{name}: expected a src of the index's shape {shape} or larger; got {value.shape}"
            )
        return value if value.shape == shape else value[tuple(map(slice, shape))]

    def _castable(self, name: str, value: Any) -> Any:
        """The operand cast to our dtype, which must be of the same kind or a higher one."""
        check_fits(name, self._data, value)
        if isinstance(value, int):  # of any integer dtype that holds it
            value = np.asarray(value, self._data.dtype)
        elif isinstance(value, float):
            value = np.asarray(value)
        if not np.can_cast(value.dtype, self._data.dtype, "same_kind"):
            raise TypeError(
                f"{name}: src is {value.dtype}, which does not fit into {self._data.dtype}"
            )
        return cast(value, self._data.dtype, name)


def _turn(positions: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    """For each entry of the index, the number of earlier entries that name the same element."""
    flat = np.ravel_multi_index(positions, shape).ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    counts = np.diff(starts, append=flat.size)
    turn = np.empty_like(flat)
    turn[order] = np.arange(flat.size) - np.repeat(starts, counts)
    return turn.reshape(np.broadcast_shapes(*(array.shape for array in positions)))
