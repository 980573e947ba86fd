"""Elastic distortion: each pixel is displaced a little, and neighbours alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments

from ._arguments import Array, Fill, Images, draws, filling, in_the_form_of, pixels
from ._resampling import FARTHEST, resampled, working_dtype

NARROWEST = 1e-3  # the deviation, in pixels, below which a Gaussian is one pixel


def elastic(
    images: Images,
    alpha: float = 34.0,
    sigma: float = 4.0,
    interpolation: str = "bilinear",
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image distorted by a smooth random field of displacements of its own.

    images: (N, C, H, W), an ndarray or a Tensor; the result is a new one of the same dtype.
    alpha: how far pixels are displaced, 0 or more; in pixels, before the smoothing.
    sigma: standard deviation of the Gaussian that smooths the field, in pixels, 0 or more.  A
        small one gives noise, a large one nearly one shift for the whole image; the displacements
        shrink as it grows: their deviation is about alpha / (6 sigma) away from the border.
    interpolation, fill, seed: as in `affine`.

    The value of a pixel at (x, y) is read at (x + dx, y + dy), where the fields dx and dy are
    alpha * gaussian(uniform(-1, 1)).  Outside the image the field is 0, so pixels at the border
    move less.

    The defaults are those that Simard, Steinkraus and Platt chose for MNIST: "Best Practices for
    Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR 2003.  alpha is
    theirs, in pixels; torchvision's ElasticTransform displaces by half of its alpha, so
    alpha=50 there is alpha=25 here.

    Errors: as in `affine`.
    """
    array = pixels(images, "elastic")
    strength = min(_length(alpha, "elastic: alpha"), FARTHEST)
    deviation = _length(sigma, "elastic: sigma")
    arguments.choice(interpolation, "elastic: interpolation", "bilinear", "nearest")
    outside = filling(fill, array, "elastic")
    random = draws(seed, "elastic")
    height, width = array.shape[2:]
    dtype = working_dtype(array)
    smooth_rows = (strength * _smoothing(height, deviation)).astype(dtype)
    smooth_columns = _smoothing(width, deviation).astype(dtype).T

    def sources(chunk: slice) -> tuple[Array, Array]:
        count = len(array[chunk])
        field = random.random((count, 2, height, width), np.float32).astype(dtype, copy=False)
        field *= 2
        field -= 1
        # One product for each image, of the same shape: so no bit depends on where chunks begin.
        moved = smooth_rows @ (field @ smooth_columns)
        moved[:, 0] += np.arange(width, dtype=dtype)
        moved[:, 1] += np.arange(height, dtype=dtype)[:, None]
        return moved[:, 0], moved[:, 1]

    return in_the_form_of(images, resampled(array, sources, interpolation, outside))


def _length(value: Any, name: str) -> float:
    """`value` as a finite number of 0 or more."""
    return arguments.finite(arguments.not_negative(value, name), name)


def _smoothing(size: int, sigma: float) -> NDArray[np.float64]:
    """The (size, size) matrix that convolves a column with a Gaussian; outside, the column is 0."""
    sigma = max(sigma, NARROWEST)
    # The sum over all integers, which from 4 on differs from the integral in no digit.
    total = _bell(np.arange(-40, 41) / sigma).sum() if sigma < 4 else sigma * np.sqrt(2 * np.pi)
    position = np.arange(size)
    return _bell((position[:, None] - position) / sigma) / float(total)


def _bell(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-0.5 * np.square(x))
