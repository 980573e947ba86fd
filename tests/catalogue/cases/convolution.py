"""Rows of the primitives in tinygrad_lite/ops/convolution.py, and what they compute, in loops."""

from itertools import product
from typing import Any

import numpy as np

from tinygrad_lite.arrays.windows import Windows
from tinygrad_lite.ops import convolution

from .case import Case


def products(x, w, y, stride=1, dilation=1, before=0, groups=1) -> Any:  # type: ignore[no-untyped-def]
    """Every product of a convolution: (indices in x, in w, in y) for each sample, one by one.

    x, w and y are shapes; the channels are those of one group at a time.
    """
    rank = len(w) - 2
    strides, dilations, befores = (
        (n,) * rank if isinstance(n, int) else n for n in (stride, dilation, before)
    )
    for n, o, c, *rest in product(*map(range, (y[0], *w, *y[2:]))):
        taps, positions = rest[:rank], rest[rank:]
        read = [
            p * s + t * d - b
            for p, s, t, d, b in zip(positions, strides, taps, dilations, befores, strict=True)
        ]
        if all(0 <= i < size for i, size in zip(read, x[2:], strict=True)):
            channel = o // (w[0] // groups) * w[1] + c
            yield (n, channel, *read), (o, c, *taps), (n, o, *positions)


def convolved(x: np.ndarray, w: np.ndarray, count: tuple[int, ...], **options: Any) -> np.ndarray:
    """y of the given size: the sums of x times w."""
    y = np.zeros((len(x), len(w), *count))
    for i, j, k in products(x.shape, w.shape, y.shape, **options):
        y[k] += x[i] * w[j]
    return y


def convolved_back(g: np.ndarray, w: np.ndarray, size: tuple[int, ...], **options: Any) -> Any:
    """x of the given size: the sums of g, which is shaped as y, times w."""
    x = np.zeros((len(g), w.shape[1] * options.get("groups", 1), *size))
    for i, j, k in products(x.shape, w.shape, g.shape, **options):
        x[i] += g[k] * w[j]
    return x


def correlated(x: np.ndarray, g: np.ndarray, shape: tuple[int, ...], **options: Any) -> np.ndarray:
    """w of the given shape: the sums of x times g, which is shaped as y."""
    w = np.zeros(shape)
    for i, j, k in products(x.shape, shape, g.shape, **options):
        w[j] += x[i] * g[k]
    return w


STRIDED = Windows((5, 3), (3, 2), (2, 1), (1, 2), (1, 2), (3, 4))
OPTIONS = {"stride": (2, 1), "dilation": (1, 2), "before": (1, 2)}
DENSE = Windows((4,), (2,), (1,), (1,), (0,), (3,))

CASES: list[Case] = [
    Case(
        convolution.Conv,
        lambda x, w: x.conv2d(w),
        lambda x, w: convolved(x, w, (3, 2)),
        [((1, 2, 4, 3), (3, 2, 2, 2)), ((0, 1, 4, 3), (1, 1, 2, 2))],
    ),
    Case(
        convolution.Conv,
        lambda x, w, b: x.conv2d(w, b),
        lambda x, w, b: convolved(x, w, (3, 2)) + b[:, None, None],
        [((1, 2, 4, 3), (3, 2, 2, 2), (3,)), ((0, 1, 4, 3), (1, 1, 2, 2), (1,))],
        note="bias",
    ),
    Case(
        convolution.Conv,
        lambda x, w, b: x.conv2d(w, b, groups=2),
        lambda x, w, b: convolved(x, w, (2, 3), groups=2) + b[:, None, None],
        [((2, 2, 3, 4), (2, 1, 2, 2), (2,)), ((1, 4, 3, 4), (2, 2, 2, 2), (2,))],
        note="groups, bias",
    ),
    Case(
        convolution.Conv,
        lambda x, w: x.conv2d(
            w, groups=2, stride=(2, 1), dilation=(1, 2), padding=((1, 0), (2, 1))
        ),
        lambda x, w: convolved(x, w, (2, 4), groups=2, **OPTIONS),
        [((2, 4, 4, 3), (2, 2, 3, 2))],
        note="groups, stride, dilation, padding",
    ),
    Case(
        convolution.Conv,
        lambda x, w: x.conv2d(w, groups=3, stride=2, padding=1),
        lambda x, w: convolved(x, w, (2, 2), groups=3, stride=2, before=1),
        [((2, 3, 3, 4), (3, 1, 2, 3)), ((1, 3, 3, 4), (6, 1, 2, 3))],
        note="depthwise",
    ),
    Case(
        convolution.Conv,
        lambda x, w: x.conv2d(w),
        lambda x, w: np.einsum("nchw,ocij->nohw", x, w),
        [((2, 3, 2, 2), (2, 3, 1, 1))],
        note="1x1",
    ),
    Case(
        convolution.Conv,
        lambda x, w: x.conv1d(w, padding=1),
        lambda x, w: convolved(x, w, (4,), before=1),
        [((2, 1, 4), (2, 1, 3))],
        note="one dimension",
    ),
    Case(
        convolution.Conv,
        lambda x, w: x.conv3d(w, stride=(1, 2, 1)),
        lambda x, w: convolved(x, w, (1, 1, 2), stride=(1, 2, 1)),
        [((1, 1, 2, 3, 2), (1, 1, 2, 2, 1))],
        note="three dimensions",
    ),
    Case(
        convolution.ConvInput,
        lambda g, w: g.conv_transpose2d(w),
        lambda g, w: convolved_back(g, w, (3, 4)),
        [((1, 2, 2, 3), (2, 3, 2, 2)), ((2, 3, 2, 3), (3, 1, 2, 2)), ((0, 2, 2, 3), (2, 1, 2, 2))],
    ),
    Case(
        convolution.ConvInput,
        lambda g, w: convolution.ConvInput.apply(g, w, windows=STRIDED, groups=2),
        lambda g, w: convolved_back(g, w, (5, 3), groups=2, **OPTIONS),
        [((1, 4, 3, 4), (4, 2, 3, 2))],
        note="groups, stride, dilation, padding",
    ),
    Case(
        convolution.ConvInput,
        lambda g, w: g.conv_transpose2d(w, groups=2, dilation=3, padding=1, output_padding=(2, 0)),
        lambda g, w: convolved_back(g, w, (6, 4), groups=2, dilation=3, before=1),
        [((1, 2, 3, 3), (2, 1, 2, 2))],
        note="output_padding beyond the last window",
    ),
    Case(
        convolution.ConvInput,
        lambda g, w: g.conv_transpose2d(w, groups=2, stride=2, padding=1, output_padding=1),
        lambda g, w: convolved_back(g, w, (4, 4), groups=2, stride=2, before=1),
        [((2, 2, 2, 2), (2, 1, 3, 3)), ((2, 4, 2, 2), (4, 1, 3, 3))],
        note="depthwise",
    ),
    Case(
        convolution.ConvWeight,
        lambda x, g: convolution.ConvWeight.apply(x, g, windows=STRIDED, groups=2),
        lambda x, g: correlated(x, g, (2, 2, 3, 2), groups=2, **OPTIONS),
        [((1, 4, 5, 3), (1, 2, 3, 4)), ((0, 4, 5, 3), (0, 2, 3, 4))],
        note="groups, stride, dilation, padding",
    ),
    Case(
        convolution.ConvWeight,
        lambda x, g: convolution.ConvWeight.apply(x, g, windows=DENSE),
        lambda x, g: correlated(x, g, (g.shape[1], x.shape[1], 2)),
        [((2, 3, 4), (2, 2, 3)), ((1, 1, 4), (1, 1, 3))],
    ),
    Case(
        convolution.ConvWeight,
        lambda x, g: convolution.ConvWeight.apply(x, g, windows=STRIDED, groups=2),
        lambda x, g: correlated(x, g, (g.shape[1], 1, 3, 2), groups=2, **OPTIONS),
        [((2, 2, 5, 3), (2, 2, 3, 4)), ((1, 2, 5, 3), (1, 4, 3, 4))],
        note="depthwise",
    ),
]
