"""The arguments that augmentations share: images, ranges, sizes, fill, seed; images in chunks."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, generator, is_grad_enabled

Array = NDArray[Any]
Images = TypeVar("Images", bound=Tensor | Array)
Range = tuple[float, float]  # (min, max)
Fill = float | list[float] | tuple[float, ...]  # for all channels, or one for each

# How many pixels are worked on at a time, so that the arrays between two steps stay in the cache,
# and so that a whole data set takes little memory beside its result.
PIXELS = 1 << 14


def pixels(images: Any, name: str) -> Array:
    """The images as an ndarray (N, C, H, W), which is not copied."""
    if isinstance(images, Tensor):
        if images.requires_grad and is_grad_enabled():
            raise ValueError(
                f"{name}: images require grad, and no gradient flows through an augmentation; "
                "pass images.detach()"
            )
        found: Array = images.data
    elif isinstance(images, np.ndarray) and not isinstance(images, np.ma.MaskedArray):
        found = np.asarray(images)
    else:
        raise arguments.wrong(f"{name}: images", "an ndarray or a Tensor", images)
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        raise TypeError(
            f"{name}: images: expected bool, integers, or floats of at most 64 bits; "
            f"got {arguments.shown(images)}"
        )
    if found.ndim != 4:
        fix = "; for (N, H, W) pass images[:, None], for one image (C, H, W) pass image[None]"
        raise ValueError(
            f"{name}: images: expected shape (N, C, H, W); got {arguments.shown(images)}"
            f"{fix if found.ndim == 3 else ''}"
        )
    return found


def in_the_form_of(images: Images, result: Array) -> Images:
    """The result as a Tensor if the images were one."""
    return type(images).from_array(result) if isinstance(images, Tensor) else result  # type: ignore[return-value]


def chunks(images: Array, height: int, width: int) -> Iterator[slice]:
    """Slices of the batch, each of about `PIXELS` pixels in images of this height and width."""
    count, channels = images.shape[:2]
    length = max(1, PIXELS // max(channels * height * width, 1))
    for start in range(0, count, length):
        yield slice(start, start + length)


def draws(seed: Any, name: str) -> "np.random.Generator":
    """The generator to draw from: for None, the one that Tensor draws from."""
    return generator.current() if seed is None else generator.from_seed(seed, f"{name}: seed")


def interval(value: Any, name: str) -> Range:
    """`value`, a pair (min, max), as two floats."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise arguments.wrong(name, "a pair (min, max)", value)
    low, high = (arguments.finite(each, name) for each in value)
    if low > high:
        raise ValueError(f"{name}: expected (min, max), min first; got {arguments.shown(value)}")
    return low, high


def around_zero(value: Any, name: str) -> Range:
    """`value`, a pair (min, max), or a number d for (-d, d), as two floats."""
    if isinstance(value, list | tuple):
        return interval(value, name)
    number = arguments.finite(value, name)
    if number < 0:
        raise ValueError(
            f"{name}: expected a number of 0 or more, or a pair (min, max); "
            f"got {arguments.shown(value)}"
        )
    return -number, number


def fraction_pair(value: Any, name: str) -> tuple[float, float]:
    """`value`, one number from 0 to 1 or two, as two."""
    given = value if isinstance(value, list | tuple) else (value, value)
    if len(given) != 2:
        raise arguments.wrong(name, "a number or a pair (horizontal, vertical)", value)
    first, second = (float(arguments.probability(each, name)) for each in given)
    return first, second


def size_pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """`value`, one integer or a pair (height, width), as two."""
    given = arguments.sizes(value, name, least)
    if len(given) > 2 or not given:
        raise arguments.wrong(name, "an integer or a pair (height, width)", value)
    return given[0], given[-1]


def per_channel(value: Any, images: Array, name: str) -> NDArray[np.float64]:
    """`value`, one number or one for each channel, as float64 (C, 1, 1) or (1, 1, 1)."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    given = value if isinstance(value, list | tuple) else (value,)
    channels = images.shape[1]
    if len(given) not in (1, channels):
        raise ValueError(
            f"{name}: expected one number, or one for each of {channels} channels; "
            f"got {arguments.shown(value)}"
        )
    numbers = [float(arguments.number(each, name)) for each in given]
    return np.array(numbers, np.float64)[:, None, None]


def filling(value: Any, images: Array, name: str) -> Array:
    """`fill` as an array of the dtype of the images, (C, 1, 1) or (1, 1, 1)."""
    given = per_channel(value, images, f"{name}: fill")
    with np.errstate(all="ignore"):  # the next line finds what does not fit
        found = given.astype(images.dtype)
    fits = np.isfinite(found) == np.isfinite(given) if found.dtype.kind == "f" else found == given
    if not fits.all():
        raise ValueError(
            f"{name}: fill: expected a value of the images' dtype, {images.dtype}; "
            f"got {arguments.shown(value)}"
        )
    return found
