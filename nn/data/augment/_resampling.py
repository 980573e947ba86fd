"""Reading images between their pixels: bilinear or nearest, with a fill value outside."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arguments import Array, chunks

# The coordinates (x, y) to read at, for a chunk of the images: two new arrays (n, H, W), in the
# dtype that `working_dtype` gives. The centre of the top left pixel is (0, 0).
Sources = Callable[[slice], tuple[Array, Array]]

BORDER = 1  # pixels of fill at the top and on the left
BORDERS = 3  # and in all, in either direction
FARTHEST = 1e30  # pixels from the centre: beyond every image, and far from float32's overflow


def working_dtype(images: Array) -> np.dtype[Any]:
    """The dtype that coordinates and weights are computed in.

    float32 for what it holds exactly (8 and 16 bits), float64 for other dtypes, and for images so
    large that float32 cannot count their pixels.
    """
    height, width = images.shape[2:]
    large = (height + BORDERS) * (width + BORDERS) >= 1 << 24
    return np.result_type(images.dtype, np.float64 if large else np.float32)


def resampled(images: Array, sources: Sources, interpolation: str, fill: Array) -> Array:
    """The images read at other coordinates: a new array of the same shape and dtype.

    A pixel outside the image has the value `fill`, also as a neighbour to interpolate with.
    "nearest" takes the pixel with the index floor(coordinate + 1/2).
    """
    result = np.empty(images.shape, images.dtype)
    if not images.size:
        return result
    read = _bilinear if interpolation == "bilinear" else _nearest
    with np.errstate(over="ignore", invalid="ignore"):  # from pixels that are inf or nan
        for chunk in chunks(images, *images.shape[2:]):
            x, y = sources(chunk)
            result[chunk] = read(images[chunk], x, y, fill)
    return result


def _nearest(images: Array, x: Array, y: Array, fill: Array) -> Array:
    for coordinate in (x, y):
        coordinate += 0.5
        np.floor(coordinate, out=coordinate)
    height, width = images.shape[2:]
    np.clip(x, -1, width, out=x)
    np.clip(y, -1, height, out=y)
    return bordered(images, fill, images.dtype).take(_positions(images, x, y))


def _bilinear(images: Array, x: Array, y: Array, fill: Array) -> Array:
    """The weighted mean of the four pixels around (x, y)."""
    height, width = images.shape[2:]
    np.clip(x, -1, width, out=x)
    np.clip(y, -1, height, out=y)
    left, top = np.floor(x), np.floor(y)
    x -= left
    y -= top
    at = _positions(images, left, top)
    across, down = x[:, None], y[:, None]  # fractions, for all channels
    grid = bordered(images, fill, working_dtype(images))
    special = images.dtype.kind == "f" and not np.isfinite(grid.max() - grid.min())
    below = width + BORDERS  # from a pixel to the one below it
    upper = _between(grid.take(at), grid[1:].take(at), across, special)
    lower = _between(grid[below:].take(at), grid[below + 1 :].take(at), across, special)
    result = _between(upper, lower, down, special)
    return result if images.dtype.kind == "f" else _whole(result, images.dtype)


def _between(a: Array, b: Array, weight: Array, special: bool) -> Array:
    """a + weight * (b - a), which is exact where a equals b.  Overwrites b.

    special: whether a pixel is inf or nan, or so large that a difference overflows.  Then 0 * b is
    still 0, so that a pixel spreads only to where it has a weight.
    """
    if special:
        weighted = np.where(weight == 0, a, (1 - weight) * a + weight * b)
    b -= a
    b *= weight
    b += a
    return np.where(np.isfinite(b), b, weighted) if special else b


def _whole(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values rounded to the nearest integer that the dtype has; halves to the even one."""
    np.rint(values, out=values)
    if dtype.itemsize > 4:  # float64 rounds the largest integer of 64 bits up, to one too many
        np.minimum(values, np.nextafter(float(np.iinfo(dtype).max), 0), out=values)
    return values


def bordered(images: Array, fill: Array, dtype: np.dtype[Any]) -> Array:
    """The images, each with a border of fill, as one vector."""
    count, channels, height, width = images.shape
    grid = np.empty((count, channels, height + BORDERS, width + BORDERS), dtype)
    grid[:] = fill
    grid[:, :, BORDER : BORDER + height, BORDER : BORDER + width] = images
    return grid.reshape(-1)


def _positions(images: Array, x: Array, y: Array) -> NDArray[np.intp]:
    """Where pixels are in `bordered`, (n, C, H, W).  x, y: whole numbers from -1 to W, H."""
    count, channels, height, width = images.shape
    row = width + BORDERS
    image = row * (height + BORDERS)
    found: NDArray[np.intp] = (x + row * y)[:, None].astype(np.intp)
    first = np.arange(count * channels, dtype=np.intp).reshape(count, channels, 1, 1) * image
    found = found + (first + BORDER * (row + 1))
    return found
