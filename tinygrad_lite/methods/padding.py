"""Padding, shrinking, and sliding windows."""

from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Any, Self

import numpy as np

from ..arrays.arguments import choice, integer, is_integer, number, shown
from ..arrays.float_errors import quiet
from ..arrays.integers import check_fits
from ..arrays.shapes import allocatable, line_axis
from ..engine.graph import Array
from ..ops.indexing import Getitem
from ..ops.movement import Pad, Unfold
from ._keywords import also
from ._positions import along
from ._theme import Theme


def _reflected(positions: Array, size: int) -> Array:
    period = max(2 * (size - 1), 1)
    there = positions % period
    return np.minimum(there, period - there)


def _wrapped(positions: Array, size: int) -> Array:
    """The pattern that is repeated consists of the elements that are kept."""
    start, end = max(int(positions[0]), 0), min(int(positions[-1]) + 1, size)
    return start + (positions - start) % (end - start)


# By mode: the source positions, 0 to size - 1, of elements whose positions may be outside.
SOURCES: dict[str, Callable[[Array, int], Array]] = {
    "reflect": _reflected,
    "replicate": lambda positions, size: positions.clip(0, size - 1),
    "circular": _wrapped,
}


class PaddingMethods(Theme):
    """Elements added or removed at the edges, and sliding windows."""

    __slots__ = ()

    @also("pad")
    def pad(self, padding: Sequence[Any], mode: str = "constant", value: float = 0.0) -> Self:
        """Elements added at the edges, or removed where a number is negative.

        padding  flat: (before, after) of the last axis, then of the second to last, and so on; or a
                 pair or None for each axis, first to last: ((before, after), None, ...)
        mode     "constant" adds `value`; for a b c padded by (1, 1), "reflect" gives b a b c b,
                 "replicate" a a b c c, and "circular" c a b c a; longer padding repeats the pattern

        Where elements are removed on one side, those added on the other in mode "reflect" or
        "replicate" are still copies of any of a b c, as in PyTorch and tinygrad; in mode "circular"
        of those that are kept, as in PyTorch.

        Errors: ValueError for other modes, for a wrong number of pairs, if more is removed than
        there is, or if a mode has no element to repeat.
        """
        choice(mode, "pad: mode", "constant", *SOURCES)
        widths = _widths(padding, self._data.ndim)
        for axis, (size, pair) in enumerate(zip(self._data.shape, widths, strict=True)):
            least = sum(pair) if mode in ("reflect", "replicate") else sum(min(n, 0) for n in pair)
            if size + least < 0:
                raise ValueError(
                    f"pad: axis {axis} has size {size}; padding {shown(pair)} removes more"
                )
        sizes = zip(self._data.shape, widths, strict=True)
        allocatable(tuple([size + sum(pair) for size, pair in sizes]), "pad: padding")
        fill = _fill(value, self._data.dtype)
        if mode == "constant":
            added = [(max(before, 0), max(after, 0)) for before, after in widths]
            return Pad.apply(_cropped(self, widths), widths=added, value=fill)
        padded = _cropped(self, [pair if max(pair) <= 0 else (0, 0) for pair in widths])
        for axis, (size, pair) in enumerate(zip(self._data.shape, widths, strict=True)):
            if max(pair) > 0:
                kept = size + (sum(min(n, 0) for n in pair) if mode == "circular" else 0)
                if kept <= 0:
                    raise ValueError(f"pad: axis {axis} has no elements to repeat in mode {mode}")
                sources = SOURCES[mode](np.arange(-pair[0], size + pair[1]), size)
                padded = Getitem.apply(padded, index=along(axis, sources), distinct=False)
        return padded

    def shrink(self, bounds: Sequence[tuple[int, int] | None]) -> Self:
        """The part from start to end (exclusive) of each axis; None keeps the whole axis."""
        shape = self._data.shape
        pairs = _pairs("shrink: bounds", bounds, len(shape))
        kept = [pair or (0, size) for size, pair in zip(shape, pairs, strict=True)]
        for axis, (size, (start, end)) in enumerate(zip(shape, kept, strict=True)):
            if not 0 <= start <= end <= size:
                raise ValueError(
                    f"shrink: axis {axis} has size {size}; bounds {shown((start, end))} are no "
                    "part of it"
                )
        return Getitem.apply(self, index=(*starmap(slice, kept), ...), distinct=True)

    @also("dim", "dimension")
    def unfold(self, axis: int, size: int, step: int) -> Self:
        """Windows of `size` elements along `axis`, `step` apart; the window is a new last axis.

        (..., n, ...) -> (..., (n - size) // step + 1, ..., size).  A read-only view.
        """
        axis = line_axis(axis, self._data.ndim, "unfold")
        length = self._data.shape[axis] if self._data.ndim else 1
        size, step = integer(size, "unfold: size"), integer(step, "unfold: step")
        if not 0 <= size <= length or step < 1:
            raise ValueError(
                f"unfold: expected windows of 0 to {length} elements, and a step of 1 or more; "
                f"got size {shown(size)}, step {shown(step)}"
            )
        if not self._data.ndim:  # one window, and no axis that numbers the windows
            return self.reshape(1)[:size]
        return Unfold.apply(self, axis=axis, size=size, step=step)


def _cropped(x: Any, widths: Sequence[tuple[int, int]]) -> Any:
    """x without the elements that negative widths remove."""
    if all(min(pair) >= 0 for pair in widths):
        return x
    sizes = zip(x.shape, widths, strict=True)
    return x.shrink([(max(-before, 0), size + min(after, 0)) for size, (before, after) in sizes])


@quiet
def _fill(value: float, dtype: np.dtype[Any]) -> Any:
    """The number rounded to this dtype."""
    value = number(value, "pad: value")
    check_fits("pad: value", value, dtype)
    return dtype.type(value).item()


def _widths(padding: Any, ndim: int) -> list[tuple[int, int]]:
    """The number of elements before and after, for each axis."""
    given = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,)
    if given and all(map(is_integer, given)):
        if len(given) % 2 or len(given) > 2 * ndim:
            raise ValueError(
                f"pad: padding: expected pairs (before, after) for at most {ndim} axes, from the "
                f"last on; got {shown(padding)}"
            )
        pairs = [(int(a), int(b)) for a, b in zip(given[-2::-2], given[::-2], strict=True)]
        return [(0, 0)] * (ndim - len(pairs)) + pairs
    return [pair or (0, 0) for pair in _pairs("pad: padding", given or (None,) * ndim, ndim)]


def _pairs(name: str, given: Any, ndim: int) -> list[tuple[int, int] | None]:
    """A pair of integers, or None, for each axis."""
    given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if len(given) != ndim or not all(pair is None or _is_pair(pair) for pair in given):
        raise ValueError(
            f"{name}: expected a pair of integers or None for each of {ndim} axes; "
            f"got {shown(given)}"
        )
    return [None if pair is None else (int(pair[0]), int(pair[1])) for pair in given]


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, (tuple, list)) and len(pair) == 2 and all(map(is_integer, pair))
