"""Reading and writing along one axis by an index of positions, and by masks."""

from typing import Any, Self

import numpy as np

from ..arrays.shapes import broadcast_shape, integer, normalize_axis
from ..engine.graph import Array, TensorBase, array_of
from ..ops.indexing import Diagonal, Getitem, ScatterAdd, ScatterExtreme, Setitem
from ..ops.movement import Concatenate
from ..ops.reduce import Prod
from ..ops.selection import Mask
from ._operands import as_tensor, cast, check_fits, in_single, one_number, operand
from ._positions import along, check_range, integers
from ._theme import Theme

EXTREMES = {"amax": np.maximum, "amin": np.minimum}


class GatheringMethods(Theme):
    """Gather, scatter and what is composed of them.

    Positions are integers from 0 on; IndexError for others, the name of the method before it.
    """

    __slots__ = ()

    def gather(self, axis: int, index: Any) -> Self:
        """y[i, j, ...] = x[index[i, j, ...], j, ...] for axis 0, and so on: of index's shape.

        index  integers, as many axes as x; along the others at most as long as x
        """
        return Getitem.apply(self, index=self._along("gather", axis, index), distinct=False)

    def take_along_axis(self, index: Any, axis: int) -> Self:
        """NumPy's: as gather, but index and x broadcast, and negative positions count from the end.

        np.take_along_axis(x, np.argsort(x, axis), axis) sorts.
        """
        shape, places = self._data.shape, integers("take_along_axis", index)
        place = normalize_axis(axis, len(shape), "take_along_axis")
        if places.ndim != len(shape):
            raise ValueError(
                f"take_along_axis: expected an index of {len(shape)} axes; got shape {places.shape}"
            )
        size = shape[place]
        check_range("take_along_axis", places, -size, size, f"axis {place}")
        places = np.where(places < 0, places + size, places)
        ones = [(*a[:place], 1, *a[place + 1 :]) for a in (shape, places.shape)]
        common = broadcast_shape(*ones, name="take_along_axis")
        ours, theirs = (
            (*common[:place], a[place], *common[place + 1 :]) for a in (shape, places.shape)
        )
        return self.expand(ours).gather(place, np.broadcast_to(places, theirs))

    def scatter(self, axis: int, index: Any, src: Any, reduce: str | None = None) -> Self:
        """x with y[index[i, j, ...], j, ...] = src[i, j, ...] for axis 0, and so on.

        src     a tensor at least as long as index along each axis, or a number
        reduce  None: src replaces what is there, and of several for one place the last stands, and
                only it gets the gradient; "add": src is added; "multiply": x is multiplied by it
        """
        if reduce is not None:
            kinds = {"add": "sum", "multiply": "prod"}
            if reduce not in kinds:
                raise ValueError(
                    f'scatter: reduce must be None, "add" or "multiply"; got {reduce!r}'
                )
            return self.scatter_reduce(axis, index, src, kinds[reduce])
        places = self._along("scatter", axis, index)
        value = self._source("scatter", src, places)
        return Setitem.apply(self, value, index=places, distinct=False)

    def scatter_add(self, axis: int, index: Any, src: Any) -> Self:
        """x with src[i, j, ...] added at [index[i, j, ...], j, ...] for axis 0, and so on."""
        return self.scatter_reduce(axis, index, src, "sum")

    @in_single
    def scatter_reduce(
        self, axis: int, index: Any, src: Any, reduce: str, include_self: bool = True
    ) -> Self:
        """x where at each place that the index names, the values of src for it are combined.

        reduce        "sum", "prod", "mean", "amax" or "amin"; those that tie for an extreme share
                      the gradient evenly
        include_self  whether x's own value at that place is one of those combined

        "prod" takes memory for as many copies of x as values come to one place, and has exact
        gradients also where values are 0.  Where x is left out, it takes no share of a tie; in
        PyTorch it does.
        """
        places = self._along("scatter_reduce", axis, index)
        value = self._source("scatter_reduce", src, places)
        x, shape = self, self._data.shape
        if reduce in EXTREMES:
            extreme = EXTREMES[reduce]
            return ScatterExtreme.apply(
                x, value, index=places, extreme=extreme, include_self=include_self
            )
        if reduce not in ("sum", "prod", "mean"):
            raise ValueError(
                f'scatter_reduce: reduce must be "sum", "prod", "mean", "amax" or "amin"; '
                f"got {reduce!r}"
            )
        if not include_self:
            neutral = 1 if reduce == "prod" else 0
            x = Setitem.apply(x, neutral, index=places, distinct=False)
        if reduce == "prod":
            layer = _turn(places, shape)
            layers = x._wrap(np.ones((layer.max(initial=-1) + 1, *shape), x._data.dtype), None)
            layers = Setitem.apply(layers, value, index=(layer, *places), distinct=True)
            return Prod.apply(Concatenate.apply(x.reshape(1, *shape), layers, axis=0), axes=(0,))
        total = x + ScatterAdd.apply(value, index=places, distinct=False, shape=shape)
        if reduce == "sum":
            return total
        ones = np.ones(value.shape, np.int64)
        count = ScatterAdd.apply(ones, index=places, distinct=False, shape=shape) + include_self
        count = np.maximum(count, 1).astype(self._data.dtype)
        return total / count if self._data.dtype.kind == "f" else total // count

    def index_select(self, axis: int, index: Any) -> Self:
        """The slices of x at these positions along `axis`, in their order.  index: (n,)."""
        place, places = self._lines("index_select", axis, index)
        return Getitem.apply(self, index=along(place, places), distinct=False)

    def index_add(self, axis: int, index: Any, src: Any) -> Self:
        """x with the slices of src along `axis` added at these positions.  index: (n,)."""
        place, places = self._lines("index_add", axis, index)
        shape = self._data.shape
        value = self._castable("index_add", operand(src, "index_add"))
        expected = (*shape[:place], places.size, *shape[place + 1 :])
        if value.shape != expected:
            raise ValueError(f"index_add: expected src of shape {expected}; got {value.shape}")
        index = along(place, places)
        return self + ScatterAdd.apply(value, index=index, distinct=False, shape=shape)

    def index_fill(self, axis: int, index: Any, value: Any) -> Self:
        """x with `value`, a number, at these positions along `axis`.  index: (n,)."""
        place, places = self._lines("index_fill", axis, index)
        fill = one_number("index_fill", value)
        check_fits("index_fill", self._data, fill)
        if isinstance(fill, TensorBase):
            fill = cast(fill, self._data.dtype)
        return Setitem.apply(self, fill, index=along(place, places), distinct=False)

    def masked_select(self, mask: Any) -> Self:
        """The elements where the bool mask is True, along one axis.  x and the mask broadcast."""
        array = array_of(mask)
        if array.dtype != np.bool_:
            raise TypeError(f"masked_select: expected a bool mask; got {array.dtype}")
        shape = broadcast_shape(self._data.shape, array.shape, name="masked_select")
        return self.expand(shape)[np.broadcast_to(array, shape)]

    def nonzero(self) -> Self:
        """The positions (n, ndim) of the elements that are not 0, int64.  No gradient."""
        return self._wrap(np.argwhere(self._data).astype(np.int64, copy=False), None)

    def one_hot(self, num_classes: int = -1) -> Self:
        """(...) -> (..., num_classes): 1 at the position that each integer names, else 0.  int64.

        num_classes  one more than the largest integer if -1
        """
        labels = integers("one_hot", self)
        if num_classes == -1:
            if not labels.size:
                raise ValueError("one_hot: no elements, so num_classes must be given")
            num_classes = int(labels.max()) + 1
        check_range("one_hot", labels, 0, num_classes, "classes")
        return self._wrap((labels[..., None] == np.arange(num_classes)).astype(np.int64), None)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """x[..., i, i + offset] over two axes; the diagonal is the last axis.  A view."""
        ndim = self._data.ndim
        first, second = (normalize_axis(axis, ndim, "diagonal") for axis in (axis1, axis2))
        if first == second:
            raise ValueError(f"diagonal: expected two different axes; got {axis1} and {axis2}")
        x = self.moveaxis((first, second), (-2, -1))
        rows, columns = x.shape[-2:]
        offset = integer(offset, "diagonal")
        down, right = max(-offset, 0), max(offset, 0)
        size = max(min(rows - down, columns - right), 0)
        if (rows, columns) != (size, size):
            x = x[..., down : down + size, right : right + size]
        return Diagonal.apply(x)

    def diag(self, diagonal: int = 0) -> Self:
        """A matrix with x, of 1 dimension, on this diagonal and 0 elsewhere; of a matrix, its own.

        diagonal  above the main one, or below where negative
        """
        if self._data.ndim == 2:
            return self.diagonal(diagonal)
        if self._data.ndim != 1:
            raise ValueError(f"diag: expected 1 or 2 dimensions; got shape {self._data.shape}")
        offset, places = integer(diagonal, "diag"), np.arange(self._data.size)
        index = (places + max(-offset, 0), places + max(offset, 0))
        side = places.size + abs(offset)
        return ScatterAdd.apply(self, index=index, distinct=True, shape=(side, side))

    def tril(self, diagonal: int = 0) -> Self:
        """The last two axes up to this diagonal, and 0 above it, also where x is nan."""
        return self._triangle("tril", integer(diagonal, "tril"), below=True)

    def triu(self, diagonal: int = 0) -> Self:
        """The last two axes from this diagonal on, and 0 below it, also where x is nan."""
        return self._triangle("triu", integer(diagonal, "triu") - 1, below=False)

    def _triangle(self, name: str, diagonal: int, below: bool) -> Self:
        if self._data.ndim < 2:
            raise ValueError(f"{name}: expected 2 dimensions or more; got shape {self._data.shape}")
        rows, columns = self._data.shape[-2:]
        kept = np.tri(rows, columns, diagonal, dtype=bool) == below
        if self._data.dtype.kind != "f":
            return self._wrap(self._data * kept, None)
        return Mask.apply(self, mask=kept)

    def _along(self, name: str, axis: int, index: Any) -> tuple[Array, ...]:
        """The index that takes the given positions along `axis`, and along the others its own."""
        shape = self._data.shape
        place, places = self._positions(name, axis, index)
        if places.ndim != len(shape) or any(
            size > limit
            for number, (size, limit) in enumerate(zip(places.shape, shape, strict=True))
            if number != place
        ):
            raise ValueError(
                f"{name}: expected an index of {len(shape)} axes, none but axis {place} longer "
                f"than in {shape}; got shape {places.shape}"
            )
        grid: list[Array] = list(np.indices(places.shape, sparse=True))
        grid[place] = places
        return tuple(grid)

    def _lines(self, name: str, axis: int, index: Any) -> tuple[int, Array]:
        """The axis, and positions along it in a row."""
        place, places = self._positions(name, axis, index)
        if places.ndim > 1:
            raise ValueError(f"{name}: expected an index of 1 dimension; got shape {places.shape}")
        return place, places.reshape(-1)

    def _positions(self, name: str, axis: int, index: Any) -> tuple[int, Array]:
        """The axis, and the positions along it, which must be there."""
        place, places = normalize_axis(axis, self._data.ndim, name), integers(name, index)
        check_range(name, places, 0, self._data.shape[place], f"axis {place}")
        return place, places

    def _source(self, name: str, src: Any, places: tuple[Array, ...]) -> Any:
        """What is written there: the leading part of src, or a number."""
        shape = np.broadcast_shapes(*(array.shape for array in places))
        value = operand(src, name)
        check_fits(name, self._data, value)
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
        """The operand in our dtype, which must be of its kind or a higher one."""
        if not isinstance(value, (TensorBase, np.ndarray)):
            value = np.asarray(value)
        if not np.can_cast(value.dtype, self._data.dtype, "same_kind"):
            raise TypeError(
                f"{name}: src is {value.dtype}, which does not fit into {self._data.dtype}"
            )
        return cast(value, self._data.dtype)


def _turn(places: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    """For each entry of the index, how many entries before it name the same place."""
    flat = np.ravel_multi_index(places, shape).ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    counts = np.diff(starts, append=flat.size)
    turn = np.empty_like(flat)
    turn[order] = np.arange(flat.size) - np.repeat(starts, counts)
    return turn.reshape(np.broadcast_shapes(*(array.shape for array in places)))
