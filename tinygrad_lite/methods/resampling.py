"""Resampling: images at another resolution."""

from collections.abc import Sequence
from math import inf
from typing import Any, Literal, Self

import numpy as np

from ..arrays.arguments import choice, flag, number, shown
from ..arrays.shapes import Sizes, allocatable, per_axis
from ..engine.graph import Array
from ..ops.indexing import Getitem
from ._operands import as_float, in_single
from ._positions import along
from ._theme import Theme

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic"]
MODES = ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic")
RANKS = {"bilinear": 2, "trilinear": 3, "bicubic": 2}  # PyTorch's names say the number of axes
SHARPNESS = -0.75  # Keys' a: the slope of the cubic kernel at a distance of 1


class ResamplingMethods(Theme):
    """Interpolation of images to another size."""

    __slots__ = ()

    def interpolate(
        self,
        size: Sizes | None = None,
        mode: Mode = "linear",
        align_corners: bool = False,
        scale_factor: float | Sequence[float] | None = None,
    ) -> Self:
        """The image at another size, from the nearest pixel or linearly between neighbours.

        size           the new sizes of the last axes; a single number is for all axes after the
                       first two of (N, C, *size)
        mode           "nearest", "nearest-exact" or "linear", for two or three axes also named
                       "bilinear" or "trilinear"; for two also "bicubic", from four neighbours along
                       each.  Pixel i is at i + 1/2, the middle of its cell, in both images;
                       "nearest" takes the left edges instead.  Linear and cubic modes give float32
                       for integers
        align_corners  for those: the outermost pixels of the two images coincide
        scale_factor   instead of size: the ratio of the new size to the old one

        Source of "bicubic": R. Keys, Cubic Convolution Interpolation for Digital Image Processing,
        1981, with a = -0.75.
        """
        choice(mode, "interpolate: mode", *MODES)
        align_corners = flag(align_corners, "interpolate: align_corners")
        sizes, scales = self._new_sizes(size, scale_factor)
        if RANKS.get(mode, len(sizes)) != len(sizes):
            raise ValueError(
                f"interpolate: {mode} is for {RANKS[mode]} axes; got {len(sizes)}, of shape "
                f'{self._data.shape}; "linear" is for any number'
            )
        if mode.startswith("nearest"):
            if align_corners:
                raise ValueError(
                    f"interpolate: align_corners is for linear and cubic modes; got {mode}"
                )
            return self._nearest(sizes, scales, exact=mode == "nearest-exact")
        return self._between(sizes, scales, align_corners, cubic=mode == "bicubic")

    def _new_sizes(self, size: Any, scale_factor: Any) -> tuple[list[int], list[float]]:
        """The new sizes of the last axes, and the ratio of each to the old one."""
        shape = self._data.shape
        if (size is None) == (scale_factor is None):
            raise ValueError("interpolate: expected either size or scale_factor")
        name, wanted = ("scale_factor", scale_factor) if size is None else ("size", size)
        rank = len(wanted) if isinstance(wanted, (tuple, list)) else len(shape) - 2
        if not 0 < rank <= len(shape) or 0 in shape[len(shape) - rank :]:
            raise ValueError(f"interpolate: {name} {shown(wanted)} does not fit a shape of {shape}")
        old = shape[-rank:]
        if size is not None:
            sizes = list(per_axis(size, rank, "interpolate: size"))
            return sizes, [n / before for n, before in zip(sizes, old, strict=True)]
        given = [*wanted] if isinstance(wanted, (tuple, list)) else [wanted] * rank
        scales = [float(number(scale, "interpolate: scale_factor")) for scale in given]
        if not all(0 < scale < inf for scale in scales):
            raise ValueError(
                f"interpolate: scale_factor: expected a number above 0, or {rank} of them; "
                f"got {shown(wanted)}"
            )
        sizes = [int(before * scale) for before, scale in zip(old, scales, strict=True)]
        allocatable(tuple(sizes), "interpolate: scale_factor")
        if min(sizes) < 1:
            raise ValueError(f"interpolate: scale_factor {shown(wanted)} leaves nothing of {old}")
        return sizes, scales

    def _nearest(self, sizes: list[int], scales: list[float], exact: bool) -> Any:
        x = self
        for axis, (n, scale) in enumerate(zip(sizes, scales, strict=True), x.ndim - len(sizes)):
            size = x.shape[axis]
            halves = 2 * np.arange(n) + int(exact)
            if scale == n / size:  # in integers, so that nothing is rounded
                source = halves * size // (2 * n)
            else:
                source = (halves / (2 * scale)).astype(int)
            x = taken(x, axis, np.minimum(source, size - 1))
        return x

    @in_single
    def _between(
        self, sizes: list[int], scales: list[float], align_corners: bool, cubic: bool
    ) -> Any:
        x = as_float(self)
        for axis, (n, scale) in enumerate(zip(sizes, scales, strict=True), x.ndim - len(sizes)):
            last = x.shape[axis] - 1
            if n == last + 1 and not cubic:  # whatever the scale_factor was
                continue
            if align_corners:
                source = np.arange(n) * (last / (n - 1) if n > 1 else 0.0)
            else:
                source = (np.arange(n) + 0.5) / scale - 0.5
            source = source if cubic else np.clip(source, 0, last)
            left = np.floor(source).astype(int)
            terms = []
            for tap, weights in (cubic_taps if cubic else linear_taps)(source - left):
                positions = np.clip(left + tap, 0, last)
                weights = weights.astype(x.dtype).reshape((-1, *(1,) * (x.ndim - axis - 1)))
                terms.append(taken(x, axis, positions) * weights)
            x = sum(terms[1:], start=terms[0])
        return x


def linear_taps(distance: Array) -> list[tuple[int, Array]]:
    """The neighbours from the left one on, and the weight of each at this distance from it."""
    return [(0, 1.0 - distance), (1, distance)]


def cubic_taps(distance: Array) -> list[tuple[int, Array]]:
    """The same for four neighbours, with Keys' kernel."""

    def near(d: Array) -> Array:  # at most 1 away
        return ((SHARPNESS + 2) * d - (SHARPNESS + 3)) * d * d + 1

    def far(d: Array) -> Array:  # 1 to 2 away
        return SHARPNESS * (((d - 5) * d + 8) * d - 4)

    other = 1.0 - distance
    return [(-1, far(distance + 1)), (0, near(distance)), (1, near(other)), (2, far(other + 1))]


def taken(x: Any, axis: int, positions: Array) -> Any:
    """The elements of x at these positions along the axis; x itself if they are all, in order."""
    if np.array_equal(positions, np.arange(x.shape[axis])):
        return x
    distinct = bool((np.diff(positions) > 0).all())
    return Getitem.apply(x, index=along(axis, positions), distinct=distinct)
