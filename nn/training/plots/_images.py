"""Arrays as images: what `plots` shows, before it is drawn."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments


def as_array(value: Any, where: str) -> np.ndarray:
    """An array of numbers."""
    try:
        found = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    except ValueError:  # lists of several lengths
        raise arguments.wrong(where, "an array of numbers", value) from None
    if found.dtype.kind not in "biuf":
        raise arguments.wrong(where, "an array of numbers", value)
    return found


def as_images(value: Any, caller: str) -> np.ndarray:
    """Images (N, h, w), (N, 1, h, w) or (N, 3, h, w)."""
    found = as_array(value, f"{caller}: images")
    with_channels = found.ndim == 4 and found.shape[1] in (1, 3)
    if not (found.ndim == 3 or with_channels) or 0 in found.shape[1:]:
        expected = "images (N, h, w), (N, 1, h, w) or (N, 3, h, w)"
        raise ValueError(f"{caller}: expected {expected}; got shape {found.shape}")
    return found


def as_pictures(images: np.ndarray, white: float) -> np.ndarray:
    """Images as floats from 0 to 1: (N, h, w) or (N, 1, h, w) as (N, h, w), (N, 3, h, w) last.

    white: the byte that becomes 1.
    """
    found = images.astype(np.float64)
    if images.ndim == 4:
        found = found[:, 0] if images.shape[1] == 1 else np.moveaxis(found, 1, -1)
    known = found[np.isfinite(found)]
    low, high = known.min(initial=0.0), known.max(initial=0.0)
    if images.dtype == np.uint8:
        low, high = 0.0, white
    elif images.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled: np.ndarray = np.nan_to_num((found - low) / ((high - low) or 1.0))
    return scaled.clip(0, 1)


def is_dark(pictures: np.ndarray) -> bool:
    """Whether these are bright strokes on a dark background, to be drawn dark on white.

    The background is what stands at the left and right edges: small digits fill half an image.
    """
    if pictures.ndim != 3 or not pictures.size:
        return False
    return float(np.median(pictures[:, :, [0, -1]])) < 0.1


def as_kernels(weights: np.ndarray, shape: Sequence[int] | None) -> np.ndarray:
    """Weights as images: (out, channels, h, w)."""
    if weights.ndim == 4 and shape is None:
        return weights
    if weights.ndim != 2:
        fix = "; shape= is for (out, in)" if weights.ndim == 4 else ""
        raise ValueError(
            "filters: expected weights (out, in) of a linear layer or (out, in, h, w) of a "
            f"convolution; got shape {weights.shape}{fix}"
        )
    inputs = weights.shape[1]
    if shape is None:
        for channels in (1, 3):
            side = math.isqrt(inputs // channels)
            if channels * side * side == inputs:
                return weights.reshape(len(weights), channels, side, side)
        raise ValueError(
            f"filters: {inputs} inputs are no square image; give shape=(h, w) or (c, h, w)"
        )
    sizes = arguments.sizes(shape, "filters: shape", 1)
    if len(sizes) not in (2, 3) or math.prod(sizes) != inputs:
        raise ValueError(
            f"filters: expected shape=(h, w) or (c, h, w) of {inputs} inputs; got {sizes}"
        )
    return weights.reshape(len(weights), *((1,) * (3 - len(sizes))), *sizes)


def sheet_of(tiles: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Images (n, 1 or 3, h, w) in rows and columns, with a line of nan between them.

    (rows (h + 1) - 1, columns (w + 1) - 1), and a last axis for three channels.
    """
    channels, height, width = tiles.shape[1:]
    gap = max(1, min(height, width) // 12)
    sheet = np.full((rows * (height + gap), columns * (width + gap), channels), np.nan)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = np.moveaxis(tile, 0, -1)
    sheet = sheet[: max(len(sheet) - gap, 0), : max(sheet.shape[1] - gap, 0)]
    return sheet if channels == 3 else sheet[..., 0]
