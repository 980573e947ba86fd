"""Sums and extremes over the windows of images, and their transposes: one pass for each tap.

Images are (N, C, *size), and the results of their windows (N, C, *count).  Each pass reads the
image shifted by one tap, a few images at a time, as long as they are in the cache.
"""

from typing import Any

import numpy as np

from .dtypes import accumulator
from .selection import masked
from .sums import add_in_parts
from .threads import parallel, slices
from .windows import Windows, laid_out_as


def overlap_add(x: Any, windows: Windows) -> Any:
    """The sum over windows and taps of x, where they read: (N, C, *kernel, *count) -> image."""
    one_tap = x[(slice(None), slice(None), *(0,) * len(windows.kernel))]
    y = np.zeros_like(one_tap, shape=(*x.shape[:2], *windows.size))
    taps = list(windows.taps())

    def add(images: slice) -> None:
        shape = (*y[images].shape[:2], *windows.extent)
        padded = np.zeros_like(y[images], accumulator(x.dtype), shape=shape)
        part = x[images]

        def add_tap(padded: Any, term: Any) -> None:
            tap, read = term
            padded[read] += part[(slice(None), slice(None), *tap)]

        add_in_parts(padded, taps, add_tap, windows.overlap)
        windows.add_inside(padded, y[images])

    parallel(add, slices(y))
    return y


def sum_pool(x: Any, windows: Windows) -> Any:
    """The sum of x over each window."""
    y = np.zeros_like(x, shape=(*x.shape[:2], *windows.count))
    reads = [read for _, read in windows.taps()]

    def add(images: slice) -> None:
        padded = windows.padded(x[images])

        def add_tap(total: Any, read: Any) -> None:
            total += padded[read]

        add_in_parts(y[images], reads, add_tap, len(reads))

    parallel(add, slices(x))
    return y


def max_pool(x: Any, windows: Windows, with_winners: bool) -> tuple[Any, Any]:
    """The largest element of each window, and the number of its tap, or None if not asked for.

    A winner starts as the window's first tap inside the image: padding, which is -inf, does not win
    against -inf.  nan wins; of several nan the last one.
    """
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    taps, strided = list(windows.taps()), max(windows.stride) > 1
    y = np.empty_like(x, shape=(*x.shape[:2], *windows.count))
    winners: Any = np.empty_like(y, np.min_scalar_type(len(taps) - 1))

    def find(images: slice) -> None:
        padded = windows.padded(x[images], lowest)
        best = y[images]
        best[...] = padded[taps[0][1]]
        if with_winners:
            found = winners[images]
            found[...] = windows.first_inside()
        for number, (_, read) in enumerate(taps[1:], 1):
            shifted = padded[read]
            if with_winners and strided:  # read twice: faster if its elements are contiguous
                shifted = shifted.copy("K")
            if with_winners:  # numbers grow, so the larger one is the later one
                np.maximum(found, (shifted > best) * found.dtype.type(number), out=found)
            np.maximum(best, shifted, out=best)
        if with_winners and np.isnan(best).any():
            for number, (_, read) in enumerate(taps):
                found[np.isnan(padded[read])] = number

    parallel(find, slices(x))
    return y, winners if with_winners else None


def taken(x: Any, windows: Windows, winners: Any) -> Any:
    """The element of x that each window's winner reads, winners being the numbers of taps."""
    y = np.zeros_like(x, shape=winners.shape)

    def take(images: slice) -> None:
        padded = windows.padded(x[images])
        for number, (_, read) in enumerate(windows.taps()):
            y[images] += masked(padded[read], winners[images] == number)

    parallel(take, slices(x))
    return y


def max_unpool(x: Any, windows: Windows, winners: Any) -> Any:
    """The sum over windows of x, each where its winner reads, 0 elsewhere: (N, C, *size)."""
    make: Any = np.empty_like if windows.tile else np.zeros_like
    y = make(winners, x.dtype, shape=(*x.shape[:2], *windows.size))
    taps = list(enumerate(windows.taps()))

    def put(images: slice) -> None:
        padded, of_images = y[images], winners[images]
        given = laid_out_as(of_images, x[images])
        if not windows.tile:
            shape = (*padded.shape[:2], *windows.extent)
            padded = np.zeros_like(padded, accumulator(x.dtype), shape=shape)

        def add_tap(padded: Any, term: Any) -> None:
            number, (_, read) = term
            chosen = masked(given, of_images == number)
            if windows.tile:  # nothing to add to
                padded[read] = chosen
            else:
                padded[read] += chosen

        add_in_parts(padded, taps, add_tap, windows.overlap)
        if not windows.tile:
            windows.add_inside(padded, y[images])

    parallel(put, slices(y))
    return y
