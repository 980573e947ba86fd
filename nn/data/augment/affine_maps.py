"""Affine maps: shift, rotation, scaling and shear, alone or together in one resampling."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments

from ._arguments import (
    Array,
    Fill,
    Images,
    Range,
    around_zero,
    draws,
    filling,
    fraction_pair,
    in_the_form_of,
    interval,
    pixels,
)
from ._resampling import FARTHEST, Sources, resampled, working_dtype

SMALLEST = 1e-12  # the scale below which no image has a pixel left


def affine(
    images: Images,
    degrees: float | Range = 0.0,
    translate: float | tuple[float, float] = 0.0,
    scale: Range = (1.0, 1.0),
    shear: float | tuple[float, ...] = 0.0,
    interpolation: str = "bilinear",
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image moved by an affine map of its own: sheared, scaled, rotated, then shifted.

        augment.affine(images, degrees=10, translate=0.1, scale=(0.9, 1.1), shear=5)

    images: (N, C, H, W), an ndarray or a Tensor; the result is a new one of the same dtype.
    degrees: rotation, counter-clockwise as one sees the image; a range (min, max), or a number d
        for (-d, d).
    translate: shift; the largest fraction of the width and of the height, a pair (horizontal,
        vertical) or one number for both, from 0 to 1.  Shifts are whole pixels, each of those from
        -floor(fraction * size) to floor(fraction * size) with the same probability.
    scale: a range (min, max) of factors above 0; 2 doubles lengths.
    shear: degrees, from -90 to 90: a number d for (-d, d) or a range (min, max), along x; or
        (min, max, min, max), along x, then along y.  A positive angle along x leans an upright
        line to the right; along y, it raises the right end of a level line.
    interpolation: "bilinear" or "nearest".
    fill: the value of pixels outside the image, one number or one for each channel, which the
        dtype of the images has.
    seed: an int, a np.random.SeedSequence or Generator; None draws from the generator that follows
        `Tensor.manual_seed`.  An int gives the same maps at every call.

    The map leaves the centre of the image, ((W - 1) / 2, (H - 1) / 2) in indices of pixels, where
    it is, but for the shift.  The value of a pixel is read at its centre, carried back by the
    inverse of

        x' - centre = shift + rotation @ scale @ shear_y @ shear_x @ (x - centre)

    with x to the right and y down.  Results in an integer dtype are rounded.  An angle of 90
    degrees and whole shifts move pixels exactly.  Six numbers are drawn for an image whatever is
    asked for, so the angles stay the same when a shear is added.

    Names and ranges are those of torchvision's RandomAffine, except that its angle is clockwise
    (its `rotate` is counter-clockwise), and its interpolation "nearest".

    Errors: TypeError for another dtype; ValueError for another number of axes, for images that
    require grad, and for an argument out of range.
    """
    return _moved(images, "affine", interpolation, fill, seed, degrees, translate, scale, shear)


def shift(
    images: Images,
    translate: float | tuple[float, float] = 0.1,
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image shifted by whole pixels, at most by this fraction of its width and height.

    translate: a pair (horizontal, vertical), or one number for both, from 0 to 1.
    The distribution, the other arguments and the errors are those of `affine`.  At most so many
    pixels: `crop(images, size, padding)`, with the size that the images have.
    """
    return _moved(images, "shift", "nearest", fill, seed, translate=translate)


def rotate(
    images: Images,
    degrees: float | Range,
    interpolation: str = "bilinear",
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image rotated around its centre, counter-clockwise.

    degrees: a range (min, max), or a number d for (-d, d).  (90, 90) turns a square as np.rot90.
    The other arguments and the errors are those of `affine`.
    """
    return _moved(images, "rotate", interpolation, fill, seed, degrees=degrees)


def scale(
    images: Images,
    scale: Range,
    interpolation: str = "bilinear",
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image made larger or smaller around its centre; its height and width stay.

    scale: a range (min, max) of factors above 0; 2 doubles lengths.
    The other arguments and the errors are those of `affine`.
    """
    return _moved(images, "scale", interpolation, fill, seed, scale=scale)


def shear(
    images: Images,
    shear: float | tuple[float, ...],
    interpolation: str = "bilinear",
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image sheared around its centre: along x, or along x and then along y.

    shear: degrees; a number d for (-d, d) or a range (min, max), along x; or
        (min, max, min, max), along x, then along y.
    The other arguments and the errors are those of `affine`.
    """
    return _moved(images, "shear", interpolation, fill, seed, shear=shear)


def _moved(
    images: Images,
    name: str,
    interpolation: str,
    fill: Fill,
    seed: Any,
    degrees: float | Range = 0.0,
    translate: float | tuple[float, float] = 0.0,
    scale: Range = (1.0, 1.0),
    shear: float | tuple[float, ...] = 0.0,
) -> Images:
    """`affine`; errors name the function that was called."""
    array = pixels(images, name)
    angles = around_zero(degrees, f"{name}: degrees")
    fractions = fraction_pair(translate, f"{name}: translate")
    factors = interval(scale, f"{name}: scale")
    if factors[0] <= 0:
        raise ValueError(f"{name}: scale: expected factors above 0; got {arguments.shown(scale)}")
    leaning = _shears(shear, f"{name}: shear")
    arguments.choice(interpolation, f"{name}: interpolation", "bilinear", "nearest")
    value = filling(fill, array, name)

    count, _, height, width = array.shape
    drawn = draws(seed, name).random((count, 6)).T  # for each image: angle, x, y, factor, shears
    maps = _Maps(
        degrees=_within(angles, drawn[0]),
        x=_whole_within(fractions[0] * width, drawn[1]),
        y=_whole_within(fractions[1] * height, drawn[2]),
        scale=_within(factors, drawn[3]),
        shear_x=_within(leaning[0], drawn[4]),
        shear_y=_within(leaning[1], drawn[5]),
    )
    return in_the_form_of(images, resampled(array, _sources(array, maps), interpolation, value))


class _Maps(NamedTuple):
    """The parameters of each image's map, (N,)."""

    degrees: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    scale: NDArray[np.float64]
    shear_x: NDArray[np.float64]
    shear_y: NDArray[np.float64]


def _sources(images: Array, maps: _Maps) -> Sources:
    """Where each pixel of the result comes from: the inverse maps."""
    height, width = images.shape[2:]
    dtype = working_dtype(images)
    cos, sin = _cos_sin(maps.degrees)
    lean_x, lean_y = (np.tan(np.radians(angle)) for angle in (maps.shear_x, maps.shear_y))
    size = np.maximum(maps.scale, SMALLEST)
    slope = 1 + lean_x * lean_y
    # shear_x⁻¹ @ shear_y⁻¹ @ rotation⁻¹ / scale
    matrix = np.array(
        [
            [slope * cos + lean_x * sin, lean_x * cos - slope * sin],
            [lean_y * cos + sin, cos - lean_y * sin],
        ]
    )
    matrix /= size
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    u = np.arange(width) - (center_x + maps.x)[:, None]  # (N, W)
    v = np.arange(height) - (center_y + maps.y)[:, None]  # (N, H)

    def sources(chunk: slice) -> tuple[Array, Array]:
        both = []
        for row, center in zip(matrix[:, :, chunk], (center_x, center_y), strict=True):
            across = row[0][:, None] * u[chunk] + center
            down = row[1][:, None] * v[chunk]
            for part in (across, down):
                np.clip(part, -FARTHEST, FARTHEST, out=part)
            both.append(across.astype(dtype)[:, None, :] + down.astype(dtype)[:, :, None])
        return both[0], both[1]

    return sources


def _cos_sin(degrees: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine, exact for multiples of 90 degrees."""
    quarters = np.rint(degrees / 90)
    rest = np.radians(degrees - 90 * quarters)
    turn = (quarters % 4).astype(np.intp)
    cos, sin = np.cos(rest), np.sin(rest)
    return np.choose(turn, (cos, -sin, -cos, sin)), np.choose(turn, (sin, cos, -sin, -cos))


def _within(limits: Range, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Uniform from min to max; drawn: uniform from 0 to 1."""
    low, high = limits
    return np.clip(low * (1 - drawn) + high * drawn, low, high)


def _whole_within(most: float, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole numbers from -floor(most) to floor(most), each with the same probability."""
    whole = np.floor(most + 1e-9)  # 3 / 28 * 28 may be just below 3
    found: NDArray[np.float64] = np.floor(drawn * (2 * whole + 1)) - whole
    return found


def _shears(value: Any, name: str) -> tuple[Range, Range]:
    """The ranges along x and along y."""
    if isinstance(value, list | tuple) and len(value) == 4:
        ranges = interval(value[:2], name), interval(value[2:], name)
    elif isinstance(value, list | tuple) and len(value) != 2:
        raise arguments.wrong(name, "a number, (min, max) or (min, max, min, max)", value)
    else:
        ranges = around_zero(value, name), (0.0, 0.0)
    if not all(-90 < angle < 90 for limits in ranges for angle in limits):
        raise ValueError(
            f"{name}: expected degrees between -90 and 90; got {arguments.shown(value)}"
        )
    return ranges
