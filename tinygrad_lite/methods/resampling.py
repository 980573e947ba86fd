"""Images in another resolution."""

from collections.abc import Sequence
from math import inf
from typing import Any, Literal, Self

import numpy as np

from ..arrays.shapes import Sizes, per_axis
from ..engine.graph import Array
from ..ops.indexing import Getitem
from ._operands import as_float, in_single
from ._positions import along
from ._theme import Theme

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear"]
RANKS = {"bilinear": 2, "trilinear": 3}  # PyTorch's names for "linear" over so many axes


class ResamplingMethods(Theme):
    """Interpolation to another size."""

    __slots__ = ()

    def interpolate(
        self,
        size: Sizes | None = None,
        mode: Mode = "linear",
        align_corners: bool = False,
        scale_factor: float | Sequence[float] | None = None,
    ) -> Self:
        """The image at another size, by its nearest pixel or linearly between neighbours.

        size: of the last axes, as many as there are numbers; one number stands for all axes behind
        the first two, (N, C, *size).  scale_factor, instead of size: how much larger.  Pixel i is
        the middle of its cell, i + 1/2, in the old image and in the new one; "nearest" takes their
        left edges instead, and align_corners, for linear only, makes the outermost pixels meet.
        Between integers linear interpolation gives float32.
        """
        if mode not in ("nearest", "nearest-exact", "linear", "bilinear", "trilinear"):
            raise ValueError(
                'interpolate: mode: expected "nearest", "nearest-exact", "linear", "bilinear" or '
                f'"trilinear"; got {mode!r}'
            )
        sizes, scales = self._new_sizes(size, scale_factor)
        if RANKS.get(mode, len(sizes)) != len(sizes):
            raise ValueError(
                f"interpolate: {mode} is for {RANKS[mode]} axes; got {len(sizes)}, of shape "
                f'{self._data.shape}; "linear" is for any number'
            )
        if mode.startswith("nearest"):
            if align_corners:
                raise ValueError(f"interpolate: align_corners is for linear modes; got {mode}")
            return self._nearest(sizes, scales, exact=mode == "nearest-exact")
        return self._linear(sizes, scales, align_corners)

    def _new_sizes(self, size: Any, scale_factor: Any) -> tuple[list[int], list[float]]:
        """The new size of the last axes, and how much larger each is."""
        shape = self._data.shape
        if (size is None) == (scale_factor is None):
            raise ValueError("interpolate: expected either size or scale_factor")
        wanted = scale_factor if size is None else size
        rank = len(wanted) if isinstance(wanted, (tuple, list)) else len(shape) - 2
        if not 0 < rank <= len(shape) or 0 in shape[len(shape) - rank :]:
            raise ValueError(f"interpolate: {wanted} does not fit a shape of {shape}")
        old = shape[-rank:]
        if size is not None:
            sizes = list(per_axis(size, rank, "interpolate: size"))
            return sizes, [n / before for n, before in zip(sizes, old, strict=True)]
        scales = [*wanted] if isinstance(wanted, (tuple, list)) else [wanted] * rank
        for scale in scales:
            if not isinstance(scale, (int, float, np.number)) or not 0 < scale < inf:
                raise ValueError(
                    f"interpolate: scale_factor: expected a number above 0, or {rank} of them; "
                    f"got {wanted!r}"
                )
        sizes = [int(before * scale) for before, scale in zip(old, scales, strict=True)]
        if min(sizes) < 1:
            raise ValueError(f"interpolate: scale_factor {wanted} leaves nothing of {old}")
        return sizes, scales

    def _nearest(self, sizes: list[int], scales: list[float], exact: bool) -> Any:
        x = self
        for axis, (n, scale) in enumerate(zip(sizes, scales, strict=True), x.ndim - len(sizes)):
            size = x.shape[axis]
            halves = 2 * np.arange(n) + int(exact)
            if scale == n / size:  # in integers, so that nothing is rounded
                place = halves * size // (2 * n)
            else:
                place = (halves / (2 * scale)).astype(int)
            x = taken(x, axis, np.minimum(place, size - 1))
        return x

    @in_single
    def _linear(self, sizes: list[int], scales: list[float], align_corners: bool) -> Any:
        x = as_float(self)
        for axis, (n, scale) in enumerate(zip(sizes, scales, strict=True), x.ndim - len(sizes)):
            last = x.shape[axis] - 1
            if n == last + 1:  # whatever the scale_factor was
                continue
            if align_corners:
                place = np.arange(n) * (last / (n - 1) if n > 1 else 0.0)
            else:
                place = np.clip((np.arange(n) + 0.5) / scale - 0.5, 0, last)
            left = np.minimum(np.floor(place).astype(int), last)
            weight = (place - left).astype(x.dtype).reshape((-1, *(1,) * (x.ndim - axis - 1)))
            right = np.minimum(left + 1, last)
            x = taken(x, axis, left) * (1.0 - weight) + taken(x, axis, right) * weight
        return x


def taken(x: Any, axis: int, places: Array) -> Any:
    """The elements of x at `places` along the axis; x itself if they are all, in order."""
    if np.array_equal(places, np.arange(x.shape[axis])):
        return x
    return Getitem.apply(x, index=along(axis, places), distinct=bool((np.diff(places) > 0).all()))
