"""Rows of the methods in tinygrad_lite/methods/resampling.py."""

from typing import Any

import numpy as np
from cases.case import Shapes

from tinygrad_lite import Tensor

from .row import Mistake, Row


def along(x: np.ndarray, axis: int, positions: Any) -> np.ndarray:
    """x read at fractional positions along an axis, linearly between two neighbours."""
    positions = np.clip(positions, 0, x.shape[axis] - 1)
    points = np.arange(x.shape[axis])
    y: np.ndarray = np.apply_along_axis(lambda line: np.interp(positions, points, line), axis, x)
    return y if y.size else np.zeros((*y.shape[:axis], len(positions), *y.shape[axis + 1 :]))


def centres(n: int, size: int) -> np.ndarray:
    """The centres of n pixels, among those of `size` pixels."""
    return (np.arange(n) + 0.5) * size / n - 0.5


def resized(x: np.ndarray, sizes: tuple[int, ...], corners: bool = False) -> np.ndarray:
    """The last axes in another size."""
    for axis, n in enumerate(sizes, x.ndim - len(sizes)):
        size = x.shape[axis]
        x = along(x, axis, np.linspace(0, size - 1, n) if corners else centres(n, size))
    return x


def cubic(x: np.ndarray, axis: int, positions: Any) -> np.ndarray:
    """x read at fractional positions along an axis: a sum with Keys' kernel, edges repeated."""
    taps = np.arange(-3, x.shape[axis] + 3)
    d = np.abs(np.asarray(positions)[:, None] - taps)
    near, far = 1.25 * d**3 - 2.25 * d**2 + 1, -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
    weights = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    lines = np.moveaxis(x.take(np.clip(taps, 0, x.shape[axis] - 1), axis), axis, -1)
    y: np.ndarray = np.moveaxis(lines @ weights.T, -1, axis)
    return y


IMAGES: list[Shapes] = [((1, 2, 2, 3),), ((2, 1, 4, 1),)]

ROWS: list[Row] = [
    Row(
        "interpolate",
        lambda x: x.interpolate((3, 5), "bicubic"),
        lambda x: cubic(cubic(x, 2, centres(3, x.shape[2])), 3, centres(5, x.shape[3])),
        IMAGES,
        torch=lambda torch, x: torch.nn.functional.interpolate(x, (3, 5), mode="bicubic"),
        rtol=1e-12,
        note="four neighbours along each axis",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((3, 2)),
        lambda x: resized(x, (3, 2)),
        IMAGES,
        torch=lambda torch, x: torch.nn.functional.interpolate(x, (3, 2), mode="bilinear"),
        rtol=1e-12,
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate(4, "bilinear", True),
        lambda x: resized(x, (4, 4), corners=True),
        IMAGES,
        torch=lambda torch, x: torch.nn.functional.interpolate(
            x, 4, mode="bilinear", align_corners=True
        ),
        rtol=1e-12,
        note="align_corners",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate(scale_factor=1.6),
        lambda x: along(x, 2, (np.arange(4) + 0.5) / 1.6 - 0.5),
        [((1, 2, 3),)],
        torch=lambda torch, x: torch.nn.functional.interpolate(x, scale_factor=1.6, mode="linear"),
        rtol=1e-12,
        note="scale_factor",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((1, 3, 2), mode="trilinear"),
        lambda x: resized(x, (1, 3, 2)),
        [((1, 1, 2, 2, 2),)],
        rtol=1e-12,
        note="three axes",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((4, 2), "nearest"),
        lambda x: x[:, :, np.arange(4) * x.shape[2] // 4][..., np.arange(2) * x.shape[3] // 2],
        IMAGES,
        torch=lambda torch, x: torch.nn.functional.interpolate(x, (4, 2), mode="nearest"),
        note="nearest",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((18,), "nearest"),
        lambda x: x[..., np.arange(18) * 14 // 18],
        [((1, 1, 14),)],
        torch=lambda torch, x: torch.nn.functional.interpolate(x, 18, mode="nearest"),
        note="nearest, where 9 / (18 / 14) is rounded to less than 7",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((3, 2), "nearest-exact"),
        lambda x: x[:, :, [0, 1, 1] if x.shape[2] == 2 else [0, 2, 3]][
            ..., [0, 2] if x.shape[3] == 3 else [0, 0]
        ],
        IMAGES,
        torch=lambda torch, x: torch.nn.functional.interpolate(x, (3, 2), mode="nearest-exact"),
        note="nearest-exact",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((3,)),
        lambda x: resized(x, (3,)),
        [((5,),), ((2, 2),)],
        torch=None,
        kinds="fi",
        rtol=1e-6,
        note="only the last axis, as tinygrad; float32 of integers",
    ),
    Row(
        "interpolate",
        lambda x: x.interpolate((2, 4), "nearest"),
        lambda x: x[..., [0, 0, 1, 2]],
        [((2, 3),)],
        torch=None,
        kinds="ib",
        note="nearest of integers, which PyTorch refuses",
    ),
]

X = Tensor.zeros(1, 4, 5, 6)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.interpolate(), ValueError, "interpolate: expected either size or scale_factor"
    ),
    Mistake(
        lambda: X.interpolate(3, scale_factor=2.0),
        ValueError,
        "interpolate: expected either size or scale_factor",
    ),
    Mistake(
        lambda: X.interpolate(3, "cubic"),  # type: ignore[arg-type]
        ValueError,
        'interpolate: mode: expected "nearest", "nearest-exact", "linear", "bilinear", "trilinear" '
        'or "bicubic"; got \'cubic\'; did you mean "bicubic"?',
    ),
    Mistake(
        lambda: X.interpolate(scale_factor=np.nan),
        ValueError,
        "interpolate: scale_factor: expected a number above 0, or 2 of them; got nan",
    ),
    Mistake(
        lambda: X.interpolate(3, "trilinear"),
        ValueError,
        "interpolate: trilinear is for 3 axes; got 2, of shape (1, 4, 5, 6); "
        '"linear" is for any number',
    ),
    Mistake(
        lambda: X.interpolate(3, "nearest", align_corners=True),
        ValueError,
        "interpolate: align_corners is for linear and cubic modes; got nearest",
    ),
    Mistake(
        lambda: X.interpolate((3, 0)),
        ValueError,
        "interpolate: size: expected an integer from 1 or 2 of them; got (3, 0)",
    ),
    Mistake(
        lambda: X.interpolate(scale_factor=0.1),
        ValueError,
        "interpolate: scale_factor 0.1 leaves nothing of (5, 6)",
    ),
    Mistake(
        lambda: X[0, 0].interpolate(3),
        ValueError,
        "interpolate: size 3 does not fit a shape of (5, 6)",
    ),
]
