"""Joining tensors into one, and splitting one into several."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, Self, TypeGuard, overload

import numpy as np

from ..arrays.arguments import choice, integer, is_integer, shown, wrong
from ..arrays.dtypes import new_array
from ..arrays.recorded import leaves
from ..arrays.shapes import normalize_axis
from ..engine.graph import TensorBase
from ..ops.indexing import Getitem
from ..ops.movement import Concatenate, Split, Unstack
from ._keywords import also
from ._operands import as_tensor, matched
from ._positions import along
from ._theme import Theme

MOST_PARTS = 1 << 24  # each is a tensor of its own


class JoiningMethods(Theme):
    """Joining several tensors, and splitting one; the parts of a split are views."""

    __slots__ = ()

    @overload
    def cat(self, *others: Any, axis: int = 0) -> Self: ...
    @overload
    def cat(self: Any, *others: Any, axis: int = 0) -> Any: ...  # of a list
    @also("dim")
    def cat(self, *others: Any, axis: int = 0) -> Any:
        """This tensor and the others, joined along `axis`; also Tensor.cat([a, b], 1)."""
        return concatenate(*_listed_and_axis("cat", self, others, axis))

    @overload
    def stack(self, *others: Any, axis: int = 0) -> Self: ...
    @overload
    def stack(self: Any, *others: Any, axis: int = 0) -> Any: ...  # of a list
    @also("dim")
    def stack(self, *others: Any, axis: int = 0) -> Any:
        """This tensor and the others, all of one shape, joined along a new axis; as `cat`."""
        return stacked(*_listed_and_axis("stack", self, others, axis))

    @also("dim", "split_size", "split_sizes", "split_size_or_sections")
    def split(self, sizes: int | Sequence[int], axis: int = 0) -> tuple[Self, ...]:
        """Parts of these sizes along `axis`, as views.

        sizes: a sequence, or one integer for all parts; the last part may then be smaller.
        """
        axis, length = self._length(axis, "split")
        if _are_several(sizes):
            parts = [integer(size, "split: sizes") for size in sizes]
            if sum(parts) != length or min(parts, default=0) < 0:
                raise ValueError(
                    f"split: the sizes must add up to {length}, the size of axis {axis}; "
                    f"got {shown(sizes)}"
                )
        else:
            size = integer(sizes, "split: sizes", least=1 if length else None)
            parts = [min(size, length - start) for start in range(0, length, size or 1)] or [0]
        return Split.apply(self, axis=axis, ends=tuple(accumulate(parts)))

    @also("dim")
    def chunk(self, chunks: int, axis: int = 0) -> tuple[Self, ...]:
        """At most `chunks` parts of equal size along `axis`; the last may be smaller."""
        axis, length = self._length(axis, "chunk")
        chunks = _number_of_parts(chunks, "chunk: chunks")
        return self.split(-(-length // chunks), axis) if length else (self,) * chunks

    @also("dim", "sections", "indices", "indices_or_sections")
    def tensor_split(
        self, parts: int | Sequence[int] | TensorBase, axis: int = 0
    ) -> tuple[Self, ...]:
        """This many parts along `axis`, whose sizes differ by at most 1; or cut at positions."""
        axis, length = self._length(axis, "tensor_split")
        if isinstance(parts, TensorBase):
            leaves("tensor_split by a Tensor, whose shapes depend on values", parts._data)
            parts = parts._data.tolist()
        if not _are_several(parts):
            count = _number_of_parts(parts, "tensor_split: parts")
            size, more = divmod(length, count)
            return self.split([size + (number < more) for number in range(count)], axis)
        return self._cut(
            axis, [0, *(integer(part, "tensor_split: parts") for part in parts), length]
        )

    @also("dim")
    def unbind(self, axis: int = 0) -> tuple[Self, ...]:
        """One part for each position along `axis`, without that axis: the inverse of `stack`."""
        axis, length = self._length(axis, "unbind")
        return Unstack.apply(self, axis=axis) if length else ()

    def meshgrid(self, *others: Any, indexing: str = "ij") -> tuple[Self, ...]:
        """The coordinates of the points of a grid, from those along its axes (1-d or 0-d).

        For n, m, ... coordinates, tensors of shape (n, m, ...); (m, n, ...) with indexing "xy".
        """
        choice(indexing, "meshgrid: indexing", "ij", "xy")
        given = _listed(self, others)
        wrap = next((line._wrap for line in given if isinstance(line, TensorBase)), None)
        if wrap is None:
            raise TypeError("meshgrid: expected at least one Tensor; got none")
        lines: list[Any] = [
            line if isinstance(line, TensorBase) else wrap(new_array(line, None, "meshgrid"), None)
            for line in given
        ]
        if any(line._data.ndim > 1 for line in lines):
            shapes = ", ".join(str(line._data.shape) for line in lines)
            raise ValueError(f"meshgrid: expected tensors of 0 or 1 dimensions; got {shapes}")
        order = list(range(len(lines)))
        if indexing == "xy":
            order[:2] = order[1::-1]
        shape = [lines[number]._data.size for number in order]
        grids: Any = []
        for number, line in enumerate(lines):
            after = len(lines) - 1 - order.index(number)
            grids.append(line.reshape(-1, *(1,) * after).expand(shape))
        return tuple(grids)

    def _length(self, axis: int, name: str) -> tuple[int, int]:
        """The axis counted from the front, and its size."""
        axis = normalize_axis(axis, self._data.ndim, name)
        return axis, self._data.shape[axis]

    def _cut(self, axis: int, ends: list[int]) -> tuple[Self, ...]:
        return tuple(
            Getitem.apply(self, index=along(axis, slice(start, end)), distinct=True)
            for start, end in pairwise(ends)
        )


def from_list(name: str, data: Any) -> Any:
    """The tensor of nested lists of tensors, arrays and numbers, with the tensors' graphs."""
    flat = [*_flat(data)]
    tensor = next(value for value in flat if isinstance(value, TensorBase))
    parts = matched(name, *flat)
    dtype = next(part.dtype for part in parts if hasattr(part, "dtype"))
    return _built(data, iter([as_tensor(part, tensor, dtype) for part in parts]))


def _built(data: Any, rest: Iterator[Any]) -> Any:
    """The nested lists of `from_list`, with the next of the tensors in each place."""
    if isinstance(data, (list, tuple)):
        return stacked([_built(one, rest) for one in data])
    return next(rest)


def _flat(data: Any) -> Iterator[Any]:
    for one in data:
        yield from _flat(one) if isinstance(one, (list, tuple)) else (one,)


def _number_of_parts(value: Any, name: str) -> int:
    count = integer(value, name, least=1)
    if count > MOST_PARTS:
        raise ValueError(f"{name}: expected at most {MOST_PARTS} parts; got {shown(count)}")
    return count


def _are_several(sizes: Any) -> TypeGuard[Sequence[int]]:
    """Whether these are numbers for several parts, and not one for all."""
    return isinstance(sizes, (tuple, list)) or (isinstance(sizes, np.ndarray) and sizes.ndim == 1)


def _listed(first: Any, others: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors of x.cat(y, z), or of Tensor.cat([x, y, z])."""
    return tuple(first) if isinstance(first, (tuple, list)) and not others else (first, *others)


def _listed_and_axis(
    name: str, first: Any, others: tuple[Any, ...], axis: Any
) -> tuple[tuple[Any, ...], Any]:
    """The tensors and the axis, which after a list may stand as in PyTorch: ([x, y], 1)."""
    if not (isinstance(first, (tuple, list)) and len(others) == 1 and is_integer(others[0])):
        return _listed(first, others), axis
    if type(axis) is not int or axis:
        raise TypeError(f"{name}: axis is given twice, {others[0]} and {shown(axis)}")
    return tuple(first), others[0]


def stacked(tensors: Any, axis: int = 0) -> Any:
    """The tensors, all of one shape, joined along a new axis."""
    parts = _parts("stack", tensors)
    shapes = [part.shape for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        given = ", ".join(map(str, shapes))
        raise ValueError(f"stack: expected tensors of one shape; got {given}")
    axis = normalize_axis(axis, len(shapes[0]) + 1, "stack")
    widened = (*shapes[0][:axis], 1, *shapes[0][axis:])
    return Concatenate.apply(*(part.reshape(widened) for part in parts), axis=axis)


def concatenate(tensors: Any, axis: int = 0) -> Any:
    """The tensors joined along `axis`; the other sizes must agree."""
    parts = _parts("cat", tensors)
    first = parts[0].shape
    axis = normalize_axis(axis, len(first), "cat")
    for part in parts[1:]:
        if part.ndim != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(part.shape, first, strict=True)) if k != axis
        ):
            raise ValueError(f"cat: shapes {first} and {part.shape} differ outside axis {axis}")
    return Concatenate.apply(*parts, axis=axis)


def _parts(name: str, tensors: Any) -> list[Any]:
    """The operands with a common dtype; none may be a number."""
    if not len(tensors):
        raise ValueError(f"{name}: expected at least one tensor; got none")
    if not any(
        isinstance(x, TensorBase) or (isinstance(x, np.ndarray) and x.ndim) for x in tensors
    ):
        raise wrong(name, "tensors or arrays", tensors, "; make Tensors of them first")
    parts = matched(name, *tensors)
    if not all(hasattr(part, "shape") for part in parts):
        raise TypeError(f"{name}: expected tensors or arrays; got a number; make it a Tensor first")
    return parts
