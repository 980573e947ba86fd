"""Rows of the methods in tinygrad_lite/methods/pooling.py."""

from itertools import product
from math import ceil
from typing import Any

import numpy as np
from cases.case import distinct
from cases.pooling import pooled, slid

from tinygrad_lite import Tensor
from tinygrad_lite.arrays.windows import Windows

from .row import Mistake, Row, function


def largest(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each window, and where it is in the flat image."""
    y = pooled(x, windows)
    image = x.reshape(*x.shape[:2], -1)
    positions = [[[(image[n, c] == v).argmax() for v in y[n, c].ravel()] for c in range(x.shape[1])]
              for n in range(len(x))]  # fmt: skip
    return y, np.array(positions, int).reshape(y.shape)


def mean(x: np.ndarray, windows: Windows, counts: Any) -> np.ndarray:
    """The sum of each window over its count."""
    y: np.ndarray = slid(x, windows).sum(tuple(range(2, x.ndim))) / counts
    return y


def adaptive(x: np.ndarray, sizes: tuple[int, ...], function: Any) -> np.ndarray:
    """function of each window, from floor(i s / n) to ceil((i + 1) s / n)."""
    size = x.shape[-len(sizes) :]
    y = np.zeros((*x.shape[: -len(sizes)], *sizes))
    for window in product(*map(range, sizes)):
        axes = list(zip(window, size, sizes, strict=True))
        parts = [slice(i * s // n, ceil((i + 1) * s / n)) for i, s, n in axes]
        read = x[(..., *parts)]
        y[(..., *window)] = function(read, axis=tuple(range(-len(sizes), 0)))
    return y


def where(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where in the flat image each of y is, if no two elements of x are equal."""
    flat, wanted = x.reshape(*x.shape[:2], -1), y.reshape(*y.shape[:2], -1)
    return (flat[:, :, None] == wanted[..., None]).argmax(-1).reshape(y.shape)


INDICES = np.array([[[[5, 2], [0, 7]], [[3, 4], [11, 9]]]])


def unpooled(x: np.ndarray, size: int) -> np.ndarray:
    """x at INDICES of flat images with so many elements."""
    y = np.zeros((*x.shape[:2], size))
    np.put_along_axis(y, INDICES.reshape(1, 2, 4), x.reshape(1, 2, 4), 2)
    return y


# size, kernel, stride, dilation, before, count
LINE = Windows((5,), (2,), (2,), (1,), (0,), (2,))
LINE_CEIL = Windows((5,), (2,), (2,), (1,), (0,), (3,))
PLAIN = Windows((4, 2), (2, 2), (2, 2), (1, 1), (0, 0), (2, 1))
PADDED = Windows((4, 3), (3, 2), (2, 1), (1, 2), (1, 1), (2, 3))
DENSE = Windows((4, 3), (3, 2), (2, 1), (1, 1), (1, 1), (2, 4))
CUBE = Windows((2, 2, 3), (1, 2, 2), (1, 2, 1), (1, 1, 1), (0, 0, 0), (2, 1, 2))

ROWS: list[Row] = [
    function("max_pool1d", lambda x: pooled(x, LINE), [((2, 1, 5),), ((0, 1, 5),)], distinct),
    Row(
        "max_pool1d",
        lambda x: x.max_pool1d(ceil_mode=True, return_indices=True),
        lambda x: largest(x, LINE_CEIL),
        [((1, 2, 5),)],
        distinct,
        note="ceil_mode, return_indices",
    ),
    function(
        "max_pool2d",
        lambda x: pooled(x, PLAIN),
        [((2, 1, 4, 2),), ((0, 1, 4, 2),)],
        distinct,
        kinds="fi",
    ),
    Row(
        "max_pool2d",
        lambda x: x.max_pool2d((3, 2), (2, 1), (1, 2), 1, False, True),
        lambda x: largest(x, PADDED),
        [((1, 2, 4, 3),)],
        distinct,
        note="stride, dilation, padding and indices, by position",
    ),
    Row(
        "max_pool2d",
        lambda x: x.max_pool2d((3, 2), (2, 1), padding=((1, 1), (1, 0))),
        lambda x: pooled(x[None], DENSE)[0, ..., :3],
        [((1, 4, 3),)],
        distinct,
        torch=lambda torch, x: torch.nn.functional.max_pool2d(x, (3, 2), (2, 1), 1)[..., :3],
        note="asymmetric padding, no batch",
    ),
    Row(
        "max_pool2d",
        lambda x: x.max_pool2d((2, 2), return_indices=True),
        lambda x: (pooled(x, PLAIN), [[[[0], [4]]]]),
        [((1, 1, 4, 2),)],
        lambda rng, shape: np.tile([[5.0], [5.0], [2.0], [2.0]], 2).reshape(shape),
        kinds="i",
        note="ties",
    ),
    Row(
        "max_pool3d",
        lambda x: x.max_pool3d((1, 2, 2), stride=(1, 2, 1)),
        lambda x: pooled(x, CUBE),
        [((1, 1, 2, 2, 3),)],
        distinct,
    ),
    Row(
        "avg_pool1d",
        lambda x: x.avg_pool1d(ceil_mode=True),
        lambda x: mean(x, LINE_CEIL, np.array([2, 2, 1])),
        [((1, 2, 5),), ((0, 1, 5),)],
    ),
    function("avg_pool2d", lambda x: mean(x, PLAIN, 4), [((2, 1, 4, 2),)]),
    function(
        "avg_pool2d",
        lambda x: mean(x, PLAIN, 4),
        [((2, 1, 4, 2),)],
        torch=None,
        kinds="i",
        note="of integers, float32; PyTorch drops the remainder",
    ),
    Row(
        "avg_pool2d",
        lambda x: x.avg_pool2d((3, 2), (2, 1), padding=1),
        lambda x: mean(x, DENSE, 6),
        [((2, 1, 4, 3),)],
        note="padding counts",
    ),
    Row(
        "avg_pool2d",
        lambda x: x.avg_pool2d((3, 2), (2, 1), padding=1, divisor_override=5),
        lambda x: mean(x, DENSE, 5),
        [((2, 1, 4, 3),)],
        note="another divisor",
    ),
    Row(
        "avg_pool3d",
        lambda x: x.avg_pool3d((1, 2, 1), divisor_override=-3),
        lambda x: (x[..., ::2, :] + x[..., 1::2, :]) / -3,
        [((1, 2, 2, 4, 3),)],
        note="a negative divisor",
    ),
    Row(
        "avg_pool2d",
        lambda x: x.avg_pool2d((3, 2), (2, 1), 1, 1, False, False),
        lambda x: mean(x, DENSE, np.array([[2, 4, 4, 2], [3, 6, 6, 3]])),
        [((1, 1, 4, 3),)],
        note="padding does not count",
    ),
    Row(
        "avg_pool2d",
        lambda x: x.avg_pool2d((3, 2), (2, 1), dilation=(1, 2), padding=1),
        lambda x: mean(x, PADDED, 6),
        [((1, 1, 4, 3),)],
        torch=None,
        note="dilation: PyTorch has none for means",
    ),
    Row(
        "avg_pool3d",
        lambda x: x.avg_pool3d((1, 2, 2), stride=(1, 2, 1)),
        lambda x: mean(x, CUBE, 4),
        [((1, 1, 2, 2, 3),)],
    ),
    Row(
        "max_unpool2d",
        lambda x: x.max_unpool2d(INDICES),
        lambda x: unpooled(x, 16).reshape(1, 2, 4, 4),
        [((1, 2, 2, 2),)],
        torch=lambda torch, x: torch.nn.functional.max_unpool2d(x, torch.tensor(INDICES), 2),
    ),
    Row(
        "max_unpool2d",
        lambda x: x[0].max_unpool2d(Tensor(INDICES[0]), 2, 2, 1, 0, (3, 4)),
        lambda x: unpooled(x, 12).reshape(2, 3, 4),
        [((1, 2, 2, 2),)],
        torch=lambda torch, x: torch.nn.functional.max_unpool2d(
            x[0], torch.tensor(INDICES[0]), 2, 2, 0, output_size=(3, 4)
        ),
        note="output_size, by position, no batch",
    ),
    Row(
        "adaptive_avg_pool1d",
        lambda x: x.adaptive_avg_pool1d(3),
        lambda x: adaptive(x, (3,), np.mean),
        [((2, 1, 5),), ((1, 1, 2),), ((2, 6),)],
    ),
    Row(
        "adaptive_avg_pool2d",
        lambda x: x.adaptive_avg_pool2d((2, None)),
        lambda x: adaptive(x, (2, x.shape[-1]), np.mean),
        [((2, 1, 3, 2),), ((0, 1, 4, 3),)],
    ),
    Row(
        "adaptive_avg_pool2d",
        lambda x: x.adaptive_avg_pool2d(1),
        lambda x: x.mean((2, 3), keepdims=True),
        [((2, 2, 3, 2),)],
        note="global",
    ),
    Row(
        "adaptive_avg_pool3d",
        lambda x: x.adaptive_avg_pool3d((1, 2, 2)),
        lambda x: adaptive(x, (1, 2, 2), np.mean),
        [((1, 1, 2, 2, 3),)],
    ),
    Row(
        "adaptive_max_pool1d",
        lambda x: x.adaptive_max_pool1d(3),
        lambda x: adaptive(x, (3,), np.max),
        [((2, 1, 5),), ((2, 6),)],
        distinct,
    ),
    Row(
        "adaptive_max_pool2d",
        lambda x: x.adaptive_max_pool2d((2, 2), return_indices=True),
        lambda x: (adaptive(x, (2, 2), np.max), where(x, adaptive(x, (2, 2), np.max))),
        [((2, 1, 3, 2),), ((1, 2, 4, 2),)],
        distinct,
    ),
    Row(
        "adaptive_max_pool3d",
        lambda x: x.adaptive_max_pool3d((None, 1, 2)),
        lambda x: adaptive(x, (2, 1, 2), np.max),
        [((1, 1, 2, 2, 3),)],
        distinct,
    ),
]

X = Tensor.zeros(1, 4, 5, 6)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.max_pool1d(2),
        ValueError,
        "max_pool1d: expected the input as (N, C, length); got (1, 4, 5, 6)",
    ),
    Mistake(
        lambda: X.max_pool2d(6),
        ValueError,
        "max_pool2d: a kernel over (6, 6) elements does not fit into a padded input of (5, 6)",
    ),
    Mistake(
        lambda: X.max_pool2d(2, padding=2),
        ValueError,
        "max_pool2d: padding is at most half a window, which spans (2, 2) elements; got 2",
    ),
    Mistake(
        lambda: X.avg_pool2d((2, 2, 2)),
        ValueError,
        "avg_pool2d: kernel_size: expected an integer from 1 or 2 of them; got (2, 2, 2)",
    ),
    Mistake(
        lambda: X.avg_pool2d(2, stride=1.5),  # type: ignore[arg-type]
        ValueError,
        "avg_pool2d: stride: expected an integer from 1 or 2 of them; got 1.5",
    ),
    Mistake(lambda: (X > 0).max_pool2d(2), TypeError, "max_pool2d: expected numbers; got bool"),
    Mistake(
        lambda: (X > 0).adaptive_max_pool2d(3),
        TypeError,
        "adaptive_max_pool2d: expected numbers; got bool",
    ),
    Mistake(
        lambda: X.adaptive_avg_pool2d(0),
        ValueError,
        "adaptive_avg_pool2d: output_size: expected an integer from 1 or 2 of them; got 0",
    ),
    Mistake(
        lambda: X[:, :, :0].adaptive_max_pool2d(1),
        ValueError,
        "adaptive_max_pool2d: an image of size (0, 6) has nothing to pool",
    ),
    Mistake(
        lambda: X.max_unpool2d(np.zeros((1, 4, 5, 6))),
        TypeError,
        "max_unpool2d: indices: expected integers, as return_indices=True gives; got ndarray of "
        "shape (1, 4, 5, 6), float64",
    ),
    Mistake(
        lambda: X.max_unpool2d(np.zeros((1, 4, 5, 6), int), padding=9),
        ValueError,
        "max_unpool2d: padding 9 leaves an output of size (-8, -6)",
    ),
    Mistake(
        lambda: X.max_unpool2d(np.full((1, 4, 5, 6), 120)),
        ValueError,
        "max_unpool2d: indices run from 120 to 120; an output of size (10, 12) has 0 to 119",
    ),
]
