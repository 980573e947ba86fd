"""Arrays as the page shows them: statistics, a histogram, and a heat map or images if small enough.

Everything here is made of text and finite numbers, which JSON can hold; the elements of a heat map
are bytes in base64, so nan and inf survive there.
"""

import base64
import hashlib
from typing import Any

import numpy as np

from ...engine.graph import Array
from ..outline.summaries import MOST_ELEMENTS, histogram, moments, one_line, summary

BINS = 24  # of a histogram
MOST_IN_MAP = 64 * 64  # elements of a heat map
LONGEST_SIDE = 256  # of a heat map
MOST_IN_IMAGES = 16 * 28 * 28  # elements of all images of an array
LEAST_IMAGE, LARGEST_IMAGE = 8, 64  # the sides of an image, in pixels
MOST_TILES = 64  # images of one array
MOST_IN_ALL_MAPS = 400_000  # bytes, before base64; the smallest maps come first


class ArrayTable:
    """The arrays of a page, each distinct one once; `numbered` gives the number of an array."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self._numbers: dict[Any, int] = {}
        self._maps: list[tuple[int, int, dict[str, Any]]] = []  # size, number of the array, map

    def numbered(self, array: Array) -> int:
        """The number of an array in `shown`; equal arrays have the same."""
        content = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
        key = (array.shape, array.dtype.str, content)
        if key not in self._numbers:
            number = self._numbers[key] = len(self.shown)
            found = map_of(array)
            self.shown.append(array_shown(array))
            if found is not None:
                self._maps.append((len(found["data"]), number, found))
        return self._numbers[key]

    def finish(self) -> list[dict[str, Any]]:
        """All arrays, with heat maps as long as there is room for them."""
        room = MOST_IN_ALL_MAPS
        for size, number, found in sorted(self._maps, key=lambda each: each[:2]):
            room -= size
            if room < 0:
                self.shown[number]["note"] = "No heat map: the page would become too large."
            else:
                data = base64.b64encode(found["data"]).decode("ascii")
                self.shown[number]["map"] = found | {"data": data}
        self._maps.clear()
        return self.shown


def figure(number: Any) -> str:
    """A number with four digits, 0 for -0; an integer or a bool as it is."""
    return f"{number + 0.0:.4g}" if isinstance(number, (float, np.floating)) else str(number)


def size_text(count: int) -> str:
    """A number of bytes, as 512 bytes or 3.21 MB."""
    if count < 1000:
        return f"{count} byte{'s' * (count != 1)}"
    for unit in ("kB", "MB", "GB"):
        count_in_unit = count / {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
        if count_in_unit < 999.5 or unit == "GB":
            break
    return f"{count_in_unit:.3g} {unit}"


def brief(array: Any) -> dict[str, str]:
    """The shape of an array, and a few words about its elements."""
    array = np.asarray(array)
    shape = str(tuple(map(int, array.shape)))
    return {"shape": shape, "text": one_line(array)}


def array_shown(array: Array) -> dict[str, Any]:
    """An array without its map: shape, dtype, bytes, elements or statistics, histogram."""
    shown: dict[str, Any] = {
        "shape": str(tuple(map(int, array.shape))),
        "dtype": str(array.dtype),
        "bytes": size_text(array.nbytes),
    }
    if array.size <= MOST_ELEMENTS:
        return shown | {"full": "\n".join(summary(array)) if array.size else one_line(array)}
    shown["stats"] = _statistics(array)
    found = histogram(array, BINS)
    if found is not None:
        shown["histogram"] = dict(zip(("low", "high", "counts"), found, strict=True))
    return shown


def _statistics(array: Array) -> list[tuple[str, str]]:
    if array.dtype.kind == "b":
        return [("true", f"{np.count_nonzero(array):,} of {array.size:,}")]
    numbers = array
    rows: list[tuple[str, str]] = []
    if array.dtype.kind == "f":
        numbers = array[np.isfinite(array)]
        nans = int(np.count_nonzero(np.isnan(array)))
        infinite = array.size - numbers.size - nans
        rows = [
            (name, f"{count:,} of {array.size:,}")
            for name, count in (("nan", nans), ("inf", infinite))
            if count
        ]
    if not numbers.size:
        return rows
    low, high = numbers.min(), numbers.max()
    if low == high:
        rows.append(("all equal", figure(low)))
        return rows
    mean, deviation = moments(numbers, max(abs(float(low)), abs(float(high))))
    rows += [
        ("mean", figure(mean)),
        ("std", figure(deviation)),
        ("min", figure(low)),
        ("max", figure(high)),
    ]
    zeros = numbers.size - int(np.count_nonzero(numbers))
    if zeros:
        share = 100 * zeros / array.size
        rows.append(("zeros", f"{zeros:,} ({share:.3g} %)"))
    return rows


def map_of(array: Array) -> dict[str, Any] | None:
    """The heat map or the images of an array, None if it is too large or too small.

    tiles, rows, cols   how many images there are, and their size
    channels            3 for colours
    code, data          how the elements are written: "f4", "f8", or "u1" from low to high
    axes                the shape, from which the index of an element follows
    """
    if array.size <= MOST_ELEMENTS or array.dtype.kind not in "fiub":
        return None
    layout = _images(array) or _tables(array)
    if layout is None:
        return None
    tiles, channels, rows, cols, image, caption = layout
    flat = np.ascontiguousarray(array).reshape(-1)[: tiles * channels * rows * cols]
    finite = flat[np.isfinite(flat)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    code, data = _written(flat, low, high)
    return {
        "tiles": tiles, "rows": rows, "cols": cols, "channels": channels, "image": image,
        "caption": caption, "axes": list(array.shape), "low": low, "high": high,
        "code": code, "data": data,
    }  # fmt: skip


def _images(array: Array) -> tuple[int, int, int, int, bool, str] | None:
    """(images, channels, rows, columns, whether grey is meant, what they are)."""
    shape = array.shape
    if array.ndim < 2 or not all(LEAST_IMAGE <= side <= LARGEST_IMAGE for side in shape[-2:]):
        return None
    rows, cols = shape[-2:]
    most = max(1, MOST_IN_IMAGES // (rows * cols))
    if array.ndim == 4:
        count, channels = shape[:2]
        if channels in (1, 3):
            tiles = min(count, most // channels or 1, MOST_TILES)
            return tiles, channels, rows, cols, True, _some(tiles, count, "image")
        tiles = min(channels, most, MOST_TILES)
        which = f"{_some(tiles, channels, 'channel')} of the first of {count}"
        return (
            tiles,
            1,
            rows,
            cols,
            False,
            which if count > 1 else _some(tiles, channels, "channel"),
        )
    if array.ndim == 3 and shape[0] in (1, 3):
        return 1, shape[0], rows, cols, True, "image"
    grey = rows == cols >= 16 and array.dtype.kind != "b" and bool((array >= 0).all())
    return (1, 1, rows, cols, True, "image") if array.ndim == 2 and grey else None


def _tables(array: Array) -> tuple[int, int, int, int, bool, str] | None:
    """The elements in rows and columns; further axes are joined with the rows."""
    if array.ndim == 4 and min(array.shape[-2:]) > 1:  # the kernels of a convolution, and the like
        count, channels, rows, cols = array.shape
        tiles = min(count * channels, MOST_TILES, max(1, MOST_IN_MAP // (rows * cols)))
        if rows * cols > MOST_IN_MAP:
            return None
        return tiles, 1, rows, cols, False, _some(tiles, count * channels, f"{rows}x{cols} table")
    if array.size > MOST_IN_MAP:
        return None
    if array.ndim <= 1:
        cols = min(array.size, 64)
        if array.size % cols:
            cols = max(size for size in range(1, 65) if array.size % size == 0)
            cols = array.size if cols < 8 and array.size <= LONGEST_SIDE else cols
        return (
            1,
            1,
            array.size // cols,
            cols,
            False,
            "row by row" if array.size > cols else "elements",
        )
    cols = array.shape[-1]
    rows = array.size // cols
    if max(rows, cols) > LONGEST_SIDE:
        return None
    axes = ", ".join(map(str, range(array.ndim - 1)))
    caption = f"rows: {'axis' if array.ndim == 2 else 'axes'} {axes}; columns: the last axis"
    return 1, 1, rows, cols, False, caption


def _some(shown: int, count: int, noun: str) -> str:
    many = "s" * (count != 1)
    return f"{count} {noun}{many}" if shown == count else f"{shown} of {count} {noun}{many}"


def _written(flat: Array, low: float, high: float) -> tuple[str, bytes]:
    """The elements as bytes: exactly enough to show four digits, or coarse if there are many."""
    if flat.size > MOST_IN_MAP and np.isfinite(flat).all() and np.isfinite(high - low):
        shares = (flat.astype(np.float64) - low) / (high - low or 1.0)
        return "u1", np.rint(shares * 255).astype(np.uint8).tobytes()
    with np.errstate(over="ignore"):
        narrow = flat.astype(np.float32)
    wide = flat.astype(np.float64)
    lost = (np.isinf(narrow) != np.isinf(wide)) | ((narrow == 0) != (wide == 0))
    if lost.any():
        return "f8", wide.astype("<f8").tobytes()
    return "f4", narrow.astype("<f4").tobytes()
