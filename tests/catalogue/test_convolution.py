"""Each way to compute the transposes of a convolution, against direct sums in float64.

Of small whole numbers, whose sums are exact in any order.
"""

from itertools import product

import numpy as np
import pytest
from every import each

from tinygrad_lite import Tensor
from tinygrad_lite.arrays import windows
from tinygrad_lite.arrays.convolution import Convolution
from tinygrad_lite.arrays.windows import Windows

RNG = np.random.default_rng(15)
ACTS = {1: Tensor.conv1d, 2: Tensor.conv2d, 3: Tensor.conv3d}

# (images, C, O, groups), size, kernel, stride, dilation, padding; whether g is unfolded for both
# transposes, which is more work for kernels that are large beside the image, and not padded
SETTINGS = [
    ((3, 4, 6, 1), (9, 8), (3, 3), 1, 1, 1, True),
    ((1, 4, 4, 1), (9, 8), (3, 2), 1, 1, 0, True),
    ((2, 3, 4, 1), (7, 7), (5, 5), 1, 1, 4, True),
    ((2, 8, 8, 2), (9, 9), (3, 3), 1, 2, 2, True),
    ((2, 4, 6, 1), (6, 7), (4, 5), 1, 1, 0, False),
    ((1, 4, 3, 1), (6, 5), (6, 5), 1, 1, 0, False),
    ((4, 2, 6, 1), (6, 5), (1, 5), 1, 1, 0, False),
    ((4, 2, 6, 1), (6, 5), (6, 1), 1, 1, 0, False),
    ((2, 6, 4, 2), (7, 9), (4, 5), 1, 1, 0, False),
    ((2, 4, 8, 4), (7, 7), (5, 5), 1, 1, 1, None),
    ((2, 8, 4, 4), (7, 7), (5, 5), 1, 1, 0, False),
    ((2, 4, 4, 1), (9, 9), (4, 3), 1, 2, 0, False),
    ((2, 2, 9, 1), (8, 8), (3, 3), 1, 1, 1, False),
    ((3, 4, 4, 1), (9, 8), (3, 4), (2, 3), 1, (1, 2), False),
    ((2, 4, 4, 2), (9, 8), (2, 2), 2, 1, 0, False),
    ((2, 3, 4, 1), (8, 8), (1, 1), 2, 1, 0, False),
    ((2, 3, 5, 1), (40,), (31,), 1, 1, 0, False),
    ((1, 3, 5, 1), (97,), (9,), 2, 1, 1, False),
    ((2, 4, 8, 4), (97,), (5,), 1, 1, 1, None),
    ((1, 4, 4, 4), (197,), (5,), 2, 1, 0, False),
    ((2, 3, 2, 1), (5, 4, 6), (3, 3, 4), 1, 1, 0, False),
    ((2, 3, 2, 1), (5, 4, 6), (3, 2, 1), 1, 1, 1, True),
]


def whole(*shape):
    return RNG.integers(-4, 5, shape).astype(np.float32)


def along(value, rank):
    return (value,) * rank if isinstance(value, int) else value


def direct(x, w, g, groups, stride, dilation, padding):
    """y, and the sums of g w and of x g, by one product for each tap of each window."""
    n, c, *size = x.shape
    count = g.shape[2:]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(padding, padding, strict=True)])
    y, gx, gw = np.zeros(g.shape), np.zeros(padded.shape), np.zeros(w.shape)
    inner, outer = c // groups, len(w) // groups
    for group, tap in product(range(groups), product(*map(range, w.shape[2:]))):
        ins = slice(group * inner, (group + 1) * inner)
        outs = slice(group * outer, (group + 1) * outer)
        axes = zip(tap, dilation, stride, count, strict=True)
        read = (
            slice(None),
            ins,
            *(slice(t * d, t * d + (m - 1) * s + 1, s) for t, d, s, m in axes),
        )
        weight = w[(outs, slice(None), *tap)]
        y[:, outs] += np.einsum("nc...,oc->no...", padded[read], weight)
        gx[read] += np.einsum("no...,oc->nc...", g[:, outs], weight)
        pixels = padded[read].reshape(n, inner, -1), g[:, outs].reshape(n, outer, -1)
        gw[(outs, slice(None), *tap)] = np.einsum("ncp,nop->oc", *pixels)
    inside = tuple(slice(p, p + length) for p, length in zip(padding, size, strict=True))
    return y, gx[(..., *inside)], gw


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@each(channels_last=[False, True], chunk=[windows.CHUNK, 2000])
def test_both_transposes(monkeypatch, setting, channels_last, chunk):
    monkeypatch.setattr(windows, "CHUNK", chunk)
    (n, c, o, groups), size, kernel, *options, turns = setting
    rank = len(size)
    stride, dilation, padding = (along(option, rank) for option in options)
    pairs = [(p, p) for p in padding]
    geometry = Windows.over("test", size, kernel, stride, dilation, pairs)
    x = whole(n, *size, c)
    x = np.moveaxis(x, -1, 1) if channels_last else x.reshape(n, c, *size)
    w, b, g = whole(o, c // groups, *kernel), whole(o), whole(n, o, *geometry.count)
    if turns is not None:
        assert Convolution(geometry, groups).turns(g, c) == turns
    y, *transposes = direct(
        *(a.astype(np.float64) for a in (x, w, g)), groups, stride, dilation, padding
    )
    expected = (y + b.reshape((-1, *(1,) * rank)), *transposes)

    def gradients(wanted):
        tensors = [Tensor(a, requires_grad=yes) for a, yes in zip((x, w), wanted, strict=True)]
        y = ACTS[rank](*tensors, Tensor(b), groups, stride, dilation, padding)
        y.backward(g)
        return y.numpy(), *(t.grad.numpy() if t.grad is not None else None for t in tensors)

    together = gradients((True, True))
    for found, right in zip(together, expected, strict=True):
        np.testing.assert_array_equal(found, right)
    np.testing.assert_array_equal(gradients((True, False))[1], together[1])
    np.testing.assert_array_equal(gradients((False, True))[2], together[2])
