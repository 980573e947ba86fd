"""Rows of the primitives in tinygrad_lite/ops/movement.py."""

import numpy as np

from tinygrad_lite.ops import movement

from .case import Case


def windows(x: np.ndarray, size: int, step: int) -> np.ndarray:
    """The windows along axis 0, one after the other; the window is the last axis."""
    count = (len(x) - size) // step + 1
    return np.stack([np.moveaxis(x[i * step : i * step + size], 0, -1) for i in range(count)])


def folded(x: np.ndarray, step: int, size: int) -> np.ndarray:
    """The windows x added where they belong in a line of zeros, one element at a time."""
    y = np.zeros(size, x.dtype)
    for i, k in np.ndindex(x.shape):
        y[i * step + k] += x[i, k]
    return y


def swapped(parts):
    """The last part three times, then the first."""
    return (parts[-1] * 3.0).cat(parts[0], axis=-1)


CASES: list[Case] = [
    Case(
        movement.Reshape,
        lambda a: a.reshape(-1, 2),
        lambda a: a.reshape(-1, 2),
        [((3, 4),), ((2, 1, 3),), ((0, 4),)],
        copies=False,
    ),
    Case(movement.Permute, lambda a: a.T, lambda a: a.T, copies=False),
    Case(
        movement.Permute,
        lambda a: a.permute(2, 0, 1),
        lambda a: a.transpose(2, 0, 1),
        [((2, 3, 4),), ((0, 1, 2),)],
        copies=False,
        note="three axes",
    ),
    Case(
        movement.Expand,
        lambda a: a.expand(2, 3, 4),
        lambda a: np.broadcast_to(a, (2, 3, 4)),
        [((3, 1),), ((),), ((4,),), ((2, 3, 4),)],
        copies=False,
    ),
    Case(
        movement.Concatenate,
        lambda *xs: xs[0].cat(*xs[1:], axis=1),
        lambda *xs: np.concatenate(xs, axis=1),
        [((3, 4), (3, 1), (3, 2)), ((2, 3),), ((2, 0), (2, 3)), ((2, 1, 2), (2, 2, 2))],
    ),
    Case(
        movement.Split,
        lambda a: swapped(a.split([2, 0, 1], axis=1)),
        lambda a: np.concatenate((a[:, 2:] * 3.0, a[:, :2]), axis=1),
        [((2, 3),), ((0, 3),)],
    ),
    Case(
        movement.Split,
        lambda a: a.chunk(3, axis=-1)[1] * 1.0,
        lambda a: a[..., 2:4],
        [((6,),), ((2, 5),)],
        note="one part only",
    ),
    Case(
        movement.Unstack,
        lambda a: swapped([part[None] for part in a.unbind(1)[1:]]),
        lambda a: np.concatenate((a[:, 2] * 3.0, a[:, 1]), axis=-1)[None],
        [((2, 3, 2),), ((0, 3),)],
    ),
    Case(
        movement.Unstack,
        lambda a: a.unbind(-1)[1] * 1.0,
        lambda a: a[..., 1],
        [((3,),), ((2, 3),)],
        note="one position only",
    ),
    Case(
        movement.Pad,
        lambda a: a.pad(((1, 2), (0, 1)), value=-3.0),
        lambda a: np.pad(a, ((1, 2), (0, 1)), constant_values=-3.0),
        [((2, 3),), ((0, 2),)],
    ),
    Case(
        movement.Unfold,
        lambda a: a.unfold(0, 3, 2),
        lambda a: windows(a, 3, 2),
        [((8,),), ((5, 2),), ((3, 0),)],
        copies=False,
        note="overlapping",
    ),
    Case(
        movement.Unfold,
        lambda a: a.unfold(1, 1, 2),
        lambda a: np.moveaxis(windows(a.T, 1, 2), 0, 1),
        [((2, 6),)],
        copies=False,
        note="with gaps",
    ),
    Case(
        movement.Fold,
        lambda a: movement.Fold.apply(a, axis=0, step=2, shape=(8,)),
        lambda a: folded(a, 2, 8),
        [((3, 3),), ((3, 4),), ((4, 1),), ((1, 7),)],
    ),
]
