"""An array in a few words: its elements if they are few, else statistics of them.

Every view takes them from here, so that a picture, a page and a notebook say the same.
"""

from textwrap import wrap

import numpy as np

from ...engine.graph import Array
from .wording import elements_text, number_text

_LINE = 44  # characters
MOST_ELEMENTS = 9  # of an array that is shown in full


def summary(array: Array) -> list[str]:
    """Up to nine elements in full; else mean, standard deviation, range, zeros and non-finite ones.

    A list of short lines.
    The statistics are those of the finite elements; of bool, the share of True.
    """
    if array.size <= MOST_ELEMENTS:
        text = _elements(array)
        return wrap(text, _LINE) or [text]
    return _statistics(array)


def one_line(array: Array) -> str:
    """The same on one line; "no elements" if there are none."""
    if not array.size:
        return "no elements"
    return _elements(array) if array.size <= MOST_ELEMENTS else ", ".join(_statistics(array))


def _elements(array: Array) -> str:
    return number_text(array.item()) if array.ndim == 0 else elements_text(array)


def _statistics(array: Array) -> list[str]:
    if array.dtype.kind == "b":
        return [f"{_share(int(np.count_nonzero(array)), array.size)} True"]
    if array.dtype.kind not in "fiu":
        return [f"{array.size:,} elements of {array.dtype}"]
    finite = array
    if array.dtype.kind == "f":
        mask = np.isfinite(array)
        finite = array if mask.all() else array[mask]
    lines, parts = list[str](), list[str]()
    if finite.size:
        low, high = finite.min().item(), finite.max().item()
        if low == high:
            which = "all" if finite.size == array.size else "finite ones all"
            parts.append(f"{which} {number_text(low)}")
        else:
            mean, deviation = moments(finite, max(abs(low), abs(high)))
            lines.append(f"mean {number_text(mean)}, std {number_text(deviation)}")
            parts.append(f"from {number_text(low)} to {number_text(high)}")
            zeros = finite.size - int(np.count_nonzero(finite))
            if zeros * 100 >= finite.size:
                parts.append(f"{_share(zeros, array.size)} zeros")
    if parts:
        lines.append(", ".join(parts))
    if finite.size < array.size:
        lines.append(", ".join(_non_finite(array)))
    return lines


def moments(array: Array, largest: float) -> tuple[float, float]:
    """Mean and standard deviation, scaled so that no square overflows or vanishes.

    largest  the largest size of an element; above 0
    """
    if array.dtype.kind in "iu":  # one above 2^53 may be no float64, but distances mostly are
        low = array.min()
        distances = (array.astype(np.uint64) - low.astype(np.uint64)).astype(np.float64)
        mean, deviation = moments(distances, max(float(distances.max(initial=0)), 1.0))
        return float(low) + mean, deviation
    scale = float(largest)
    scaled = array.astype(np.float64) / scale
    mean = float(scaled.mean())
    scaled -= mean
    return mean * scale, float(np.sqrt(np.mean(scaled * scaled))) * scale


def histogram(array: Array, bins: int) -> tuple[float, float, list[int]] | None:
    """The smallest and largest finite element, and the counts in equal intervals between them.

    None for bools, if all are equal, or if the range is too large for a float.
    """
    if array.dtype.kind not in "fiu":
        return None
    finite = array[np.isfinite(array)].astype(np.float64)
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    if not low < high or not np.isfinite(2 * (high - low)):
        return None
    positions = (finite - low) / (high - low) * bins
    counts = np.bincount(np.minimum(positions, bins - 1).astype(np.int64), minlength=bins)
    return low, high, counts.tolist()


def _non_finite(array: Array) -> list[str]:
    counts = {
        "nan": np.count_nonzero(np.isnan(array)),
        "inf": np.count_nonzero(np.isposinf(array)),
        "-inf": np.count_nonzero(np.isneginf(array)),
    }
    return [f"{_share(int(count), array.size)} {name}" for name, count in counts.items() if count]


def _share(count: int, size: int) -> str:
    """How many of all: "none", "all", the number if they are few, or the percentage."""
    if count in (0, size):
        return "all" if count else "none"
    percent = round(100 * count / size)
    if percent < 1:
        return f"{count:,} of {size:,}"
    return f"{min(percent, 99)} %"


def largest(array: Array) -> float:
    """The largest size of a finite element; 0 if there is none."""
    finite = np.isfinite(array)
    sizes = np.abs(array if finite.all() else array[finite])
    return float(sizes.max(initial=0))
