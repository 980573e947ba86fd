"""Flip, crop and cutout: pixels are moved or hidden, and none is mixed with another."""

from typing import Any

import numpy as np

from tinygrad_lite import arguments

from ._arguments import (
    Array,
    Fill,
    Images,
    chunks,
    draws,
    filling,
    in_the_form_of,
    pixels,
    size_pair,
)


def flip(
    images: Images, horizontal: float = 0.5, vertical: float = 0.0, seed: Any = None
) -> Images:
    """Each image flipped left to right, upside down, both or not at all, by chance.

    images: (N, C, H, W), an ndarray or a Tensor; the result is a new one of the same dtype.
    horizontal, vertical: the probabilities, from 0 to 1.
    seed: as in `affine`.
    """
    array = pixels(images, "flip")
    chances = [
        arguments.probability(value, f"flip: {argument}")
        for value, argument in ((horizontal, "horizontal"), (vertical, "vertical"))
    ]
    flipped = draws(seed, "flip").random((len(array), 2)) < chances
    result = array.copy("C")
    for column, axis in enumerate((3, 2)):
        chosen = flipped[:, column]
        result[chosen] = np.flip(result[chosen], axis)
    return in_the_form_of(images, result)


def crop(
    images: Images,
    size: int | tuple[int, int],
    padding: int | tuple[int, ...] = 0,
    fill: Fill = 0.0,
    padding_mode: str = "constant",
    seed: Any = None,
) -> Images:
    """From each image, padded, a window at a random position.

        augment.crop(images, 32, padding=4)  # what is usual for CIFAR

    images: (N, C, H, W), an ndarray or a Tensor; the result is a new one of the same dtype,
        (N, C, height, width).
    size: the window's (height, width), or one number for both; at most the padded image's.
    padding: pixels added on all sides; or (left and right, top and bottom); or
        (left, top, right, bottom).
    fill: as in `affine`; for padding_mode "constant" only.
    padding_mode: "constant", "edge", "reflect" or "symmetric", as in np.pad.
    seed: as in `affine`.

    Every position in the padded image has the same probability.  Names are those of torchvision's
    RandomCrop.
    """
    array = pixels(images, "crop")
    height, width = size_pair(size, "crop: size", 1)
    left, top, right, bottom = _sides(padding)
    mode = arguments.choice(
        padding_mode, "crop: padding_mode", "constant", "edge", "reflect", "symmetric"
    )
    value = filling(fill, array, "crop")
    rows, columns = array.shape[2] + top + bottom, array.shape[3] + left + right
    if height > rows or width > columns:
        raise ValueError(
            f"crop: size: expected at most the padded image's, {(rows, columns)}; "
            f"got {(height, width)}"
        )
    if mode != "constant" and 0 in array.shape[2:]:
        raise ValueError(f'crop: padding_mode: "{mode}" needs a pixel; got {array.shape}')
    drawn = draws(seed, "crop").random((len(array), 2))
    starts = (drawn * (rows - height + 1, columns - width + 1)).astype(np.intp)
    result = np.empty((*array.shape[:2], height, width), array.dtype)
    for chunk in chunks(array, rows, columns):
        padded = _padded(array[chunk], (left, top, right, bottom), mode, value)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
        result[chunk] = windows[np.arange(len(padded)), :, starts[chunk, 0], starts[chunk, 1]]
    return in_the_form_of(images, result)


def cutout(
    images: Images,
    size: int | tuple[int, int],
    holes: int = 1,
    fill: Fill = 0.0,
    seed: Any = None,
) -> Images:
    """Each image with a square hidden, or several.

    images: (N, C, H, W), an ndarray or a Tensor; the result is a new one of the same dtype.
    size: the hidden (height, width), or one number for both, 1 or more.
    holes: how many are hidden in each image, 1 or more; they may overlap.
    fill: what hidden pixels become, as in `affine`; the mean of the data, which is 0 after
        `normalize`, is what the authors use.
    seed: as in `affine`.

    The centre is a pixel of the image, each with the same probability, so what lies beyond the
    border is cut off, and less may be hidden: the authors found that this matters.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
    2017, arXiv:1708.04552.
    """
    array = pixels(images, "cutout")
    height, width = size_pair(size, "cutout: size", 1)
    number = arguments.integer(holes, "cutout: holes", least=1)
    value = filling(fill, array, "cutout")
    rows, columns = array.shape[2:]
    random = draws(seed, "cutout")
    result = array.copy("C")
    for chunk in chunks(array, rows, columns):
        drawn = random.random((len(array[chunk]), number, 2))
        centers = np.floor(drawn * (rows, columns))
        hidden = np.zeros((len(drawn), 1, rows, columns), np.bool_)
        for hole in range(number):
            below = np.arange(rows) - (centers[:, hole, 0, None] - height // 2)
            beyond = np.arange(columns) - (centers[:, hole, 1, None] - width // 2)
            inside_rows = (below >= 0) & (below < height)
            inside_columns = (beyond >= 0) & (beyond < width)
            hidden |= inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
        np.copyto(result[chunk], value, where=hidden)
    return in_the_form_of(images, result)


def _sides(padding: Any) -> tuple[int, int, int, int]:
    """The padding as (left, top, right, bottom)."""
    given = arguments.sizes(padding, "crop: padding")
    if len(given) not in (1, 2, 4):
        raise arguments.wrong(
            "crop: padding", "one integer, (x, y) or (left, top, right, bottom)", padding
        )
    left, top, right, bottom = given * (4 // len(given))
    return left, top, right, bottom


def _padded(images: Array, sides: tuple[int, int, int, int], mode: str, fill: Array) -> Array:
    """The images with rows and columns added."""
    left, top, right, bottom = sides
    if mode != "constant":
        return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), mode)  # type: ignore[call-overload, no-any-return]
    count, channels, height, width = images.shape
    grid = np.empty((count, channels, top + height + bottom, left + width + right), images.dtype)
    grid[:] = fill
    grid[:, :, top : top + height, left : left + width] = images
    return grid
