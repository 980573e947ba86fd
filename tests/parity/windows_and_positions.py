"""More operations for random programs, as in own_steps.py: windows, reading and writing by index.

Those that need inputs of certain shapes take the elements of any values, as often as there is room.
"""

from math import prod

import numpy as np
import torch
from parity.own_steps import an_index_along_an_axis, filled_axis, one_axis, room

from tinygrad_lite import Tensor

functional = torch.nn.functional


def filled(x, shape):
    """The elements of x, repeated or cut to fill the shape."""
    return x.reshape(-1)[np.arange(prod(shape)) % prod(x.shape)].reshape(shape)


def widths(rng, x):
    """Elements to add before and after, or to take away, PyTorch's order: the last axis first."""
    if not x.ndim or not x.numel():
        return None
    pairs = [int(n) for size in x.shape[::-1] for n in rng.integers(-(size // 2), 3, 2)]
    grown = [n + sum(pairs[2 * k : 2 * k + 2]) for k, n in enumerate(x.shape[::-1])]
    if prod(grown) > room(x) or min(grown) < 1:
        return None
    return {"padding": tuple(pairs), "value": float(rng.integers(-1, 2))}


def a_shift(rng, x):
    axis = one_axis(rng, x)
    return axis and {"shifts": int(rng.integers(-4, 5)), **axis}


def counts(rng, x):
    if x.ndim > 3 or not x.ndim:
        return None
    found = tuple(int(n) for n in rng.integers(1, 3, x.ndim + int(rng.integers(2))))
    return {"repeats": found} if x.numel() * prod(found) <= room(x) else None


def two_axes_and_an_offset(rng, x):
    if x.ndim < 2:
        return None
    first, second = (int(axis) for axis in rng.permutation(x.ndim)[:2])
    reach = min(x.shape[first], x.shape[second])
    return {"offset": int(rng.integers(-reach, reach + 1)), "axis1": first, "axis2": second}


def lines(rng, x):
    """Positions along one axis, with duplicates."""
    options = filled_axis(rng, x)
    if options is None:
        return None
    size = x.shape[options["axis"]]
    return {**options, "index": [int(n) for n in rng.integers(0, size, int(rng.integers(1, 5)))]}


def lines_to_add(rng, x, v):
    return lines(rng, x) if v.numel() and v.dtype == x.dtype else None


def places_to_write(rng, x, v):
    """An index along an axis, of which no position is written twice."""
    if not v.numel() or v.dtype != x.dtype:
        return None
    options = filled_axis(rng, x)
    if options is None or not x.numel():
        return None
    axis = options["axis"] % x.ndim
    return {"axis": axis, "index": np.argsort(rng.random(x.shape), axis=axis).tolist()}


def places_to_add(rng, x, v):
    return an_index_along_an_axis(rng, x) if v.numel() and v.dtype == x.dtype else None


def a_mask_and_a_number(rng, x):
    return {"mask": (rng.random(x.shape) < 0.5).tolist(), "value": float(rng.integers(-2, 3))}


def a_convolution(rng, x, w):
    """Shapes that fit, groups, stride, dilation and padding."""
    if not x.numel() or not w.numel() or x.dtype != w.dtype:
        return None
    groups, kernel = int(rng.integers(1, 3)), [int(n) for n in rng.integers(1, 4, 2)]
    dilation, padding = int(rng.integers(1, 3)), int(rng.integers(0, 2))
    spread = [dilation * (n - 1) + 1 for n in kernel]
    size = [int(max(n - 2 * padding, 1) + rng.integers(0, 3)) for n in spread]
    return {
        "x_shape": (int(rng.integers(1, 3)), 2 * groups, *size),
        "w_shape": (2 * groups, 2, *kernel),
        "groups": groups,
        "stride": int(rng.integers(1, 3)),
        "dilation": dilation,
        "padding": padding,
    }


def convolution(x, w, x_shape, w_shape, groups, stride, dilation, padding):
    return filled(x, x_shape).conv2d(
        filled(w, w_shape), groups=groups, stride=stride, dilation=dilation, padding=padding
    )


def torch_convolution(x, w, x_shape, w_shape, groups, stride, dilation, padding):
    return functional.conv2d(
        *(filled(x, x_shape), filled(w, w_shape)),
        groups=groups,
        stride=stride,
        dilation=dilation,
        padding=padding,
    )


def windows(rng, x):
    """Images, and windows on them with a stride and a padding."""
    if not x.numel():
        return None
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    return {
        "shape": (int(rng.integers(1, 3)), 2, *(n + int(rng.integers(0, 3)) for n in kernel)),
        "kernel_size": kernel,
        "stride": int(rng.integers(1, 3)),
        "padding": int(rng.integers(0, min(kernel) // 2 + 1)),
    }


def average(x, shape, **options):
    return filled(x, shape).avg_pool2d(**options)


def torch_average(x, shape, **options):
    return functional.avg_pool2d(filled(x, shape), **options)


def scores_and_labels(rng, x):
    if not x.numel():
        return None
    samples, classes = (int(n) for n in rng.integers(1, 5, 2))
    return {
        "shape": (samples, classes),
        "labels": rng.integers(0, classes, samples).tolist(),
        "reduction": ("mean", "sum", "none")[int(rng.integers(3))],
        "label_smoothing": (0.0, 0.1)[int(rng.integers(2))],
    }


def entropy(x, shape, labels, **options):
    return filled(x, shape).cross_entropy(labels, **options)


def torch_entropy(x, shape, labels, **options):
    return functional.cross_entropy(filled(x, shape), torch.tensor(labels), **options)


POSITIONS = {
    "pad": (
        lambda x, padding, value: x.pad(padding, value=value),
        lambda x, padding, value: functional.pad(x, padding, value=value),
        widths,
    ),
    "roll": (
        lambda x, shifts, axis: x.roll(shifts, axis),
        lambda x, shifts, axis: x.roll(shifts, axis),
        a_shift,
    ),
    "repeat": (
        lambda x, repeats: x.repeat(repeats),
        lambda x, repeats: x.repeat(repeats),
        counts,
    ),
    "diagonal": (
        lambda x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2),
        lambda x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2),
        two_axes_and_an_offset,
    ),
    "index_select": (
        lambda x, axis, index: x.index_select(axis, Tensor(index)),
        lambda x, axis, index: x.index_select(axis, torch.tensor(index)),
        lines,
    ),
    "index_add": (
        lambda x, v, axis, index: x.index_add(
            axis, Tensor(index), filled(v, x.index_select(axis, Tensor(index)).shape)
        ),
        lambda x, v, axis, index: x.index_add(
            axis, torch.tensor(index), filled(v, x.index_select(axis, torch.tensor(index)).shape)
        ),
        lines_to_add,
    ),
    "scatter": (
        lambda x, v, axis, index: x.scatter(axis, Tensor(index), filled(v, x.shape)),
        lambda x, v, axis, index: x.scatter(axis, torch.tensor(index), filled(v, x.shape)),
        places_to_write,
    ),
    "scatter_add": (
        lambda x, v, axis, index: x.scatter_add(
            axis, Tensor(index), filled(v, Tensor(index).shape)
        ),
        lambda x, v, axis, index: x.scatter_add(
            axis, torch.tensor(index), filled(v, torch.tensor(index).shape)
        ),
        places_to_add,
    ),
    "masked_fill": (
        lambda x, mask, value: x.masked_fill(np.array(mask, bool).reshape(x.shape), value),
        lambda x, mask, value: x.masked_fill(
            torch.tensor(mask, dtype=torch.bool).reshape(x.shape), value
        ),
        a_mask_and_a_number,
    ),
    "conv2d": (convolution, torch_convolution, a_convolution),
    "avg_pool2d": (average, torch_average, windows),
    "cross_entropy": (entropy, torch_entropy, scores_and_labels),
}
