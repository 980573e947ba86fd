"""Convolution, pooling and interpolation with every setting, at ties and nan, in every layout."""

from itertools import product

import numpy as np
import pytest
from parity.beside_torch import check, gradients, same

from tinygrad_lite import Tensor
from tinygrad_lite.arrays import windows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
functional = torch.nn.functional
RNG = np.random.default_rng(0)


def first_order(ours, theirs, *arrays):
    """Value and gradients of the sum."""
    for position, (a, b) in enumerate(zip(*gradients(ours, theirs, *arrays), strict=True)):
        same(a, b, f"value or gradient {position}")


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_first_of_ties_wins(stride, padding):
    x = RNG.integers(0, 2, (2, 3, 6, 5)).astype(np.float64)
    check(
        lambda x: x.max_pool2d(3, stride, padding=padding, return_indices=True),
        lambda x: functional.max_pool2d(x, 3, stride, padding, return_indices=True),
        x,
    )
    check(
        lambda x: x.adaptive_max_pool2d((4, 3), return_indices=True),
        lambda x: functional.adaptive_max_pool2d(x, (4, 3), return_indices=True),
        x,
    )


def test_the_last_nan_wins_a_window():
    x = np.where(RNG.random((2, 2, 6, 5)) < 0.3, NAN, RNG.standard_normal((2, 2, 6, 5)))
    first_order(lambda x: x.max_pool2d(3, 1), lambda x: functional.max_pool2d(x, 3, 1), x)
    first_order(
        lambda x: x.adaptive_max_pool2d((4, 4)),
        lambda x: functional.adaptive_max_pool2d(x, (4, 4)),
        x,
    )


CEIL = list(product((2, 3, 4), (1, 2, 3), (0, 1)))


@pytest.mark.parametrize(("kernel", "stride", "padding"), CEIL)
def test_a_last_window_that_juts_out_starts_inside(kernel, stride, padding):
    x = RNG.standard_normal((1, 2, 6, 7))
    check(
        lambda x: x.max_pool2d(kernel, stride, 1, padding, True, True),
        lambda x: functional.max_pool2d(x, kernel, stride, padding, 1, True, True),
        x,
        second=False,
    )
    for counted in (True, False):
        check(
            lambda x, c=counted: x.avg_pool2d(kernel, stride, 1, padding, True, c),
            lambda x, c=counted: functional.avg_pool2d(x, kernel, stride, padding, True, c),
            x,
            second=False,
        )


SETTINGS = list(product((1, 2, 4), (1, 2), (1, 2), (0, (2, 1)), ((2, 3),), (4, 8)))


@pytest.mark.parametrize(("groups", "stride", "dilation", "padding", "kernel", "out"), SETTINGS)
def test_convolutions_of_every_kind(groups, stride, dilation, padding, kernel, out):
    x = RNG.standard_normal((2, 4, 6, 5))
    check(
        lambda x, w: x.conv2d(w, None, groups, stride, dilation, padding),
        lambda x, w: torch.conv2d(x, w, None, stride, padding, dilation, groups),
        x,
        RNG.standard_normal((out, 4 // groups, *kernel)),
        second=False,
    )
    extra = max(stride, dilation) - 1
    check(
        lambda x, w: x.conv_transpose2d(w, None, groups, stride, dilation, padding, extra),
        lambda x, w: torch.conv_transpose2d(x, w, None, stride, padding, extra, groups, dilation),
        x,
        RNG.standard_normal((4, out // groups, *kernel)),
        second=False,
    )


@pytest.mark.parametrize("bad", [NAN, INF])
def test_nan_and_infinity_stay_in_the_windows_that_read_them(bad):
    x, w = RNG.standard_normal((1, 2, 6, 5)), RNG.standard_normal((2, 2, 3, 2))
    x[0, 1, 3, 2] = bad
    first_order(lambda x, w: x.conv2d(w), torch.conv2d, x, w)
    first_order(lambda x: x.avg_pool2d(2, 1), lambda x: functional.avg_pool2d(x, 2, 1), x)
    first_order(
        lambda x: x.adaptive_avg_pool2d((4, 3)),
        lambda x: functional.adaptive_avg_pool2d(x, (4, 3)),
        x,
    )
    first_order(
        lambda x: x.interpolate((9, 4)),
        lambda x: functional.interpolate(x, (9, 4), mode="bilinear"),
        x,
    )


@pytest.mark.parametrize("size", [3, 7, 11, 49, 100])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
def test_interpolation_to_every_size(mode, size):
    x = RNG.standard_normal((1, 2, 49))
    check(
        lambda x: x.interpolate(size, mode),
        lambda x: functional.interpolate(x, size, mode=mode),
        x,
        second=False,
    )
    if mode == "linear":
        check(
            lambda x: x.interpolate(size, mode, True),
            lambda x: functional.interpolate(x, size, mode=mode, align_corners=True),
            x,
            second=False,
        )


def test_an_image_of_its_own_size_stays_whatever_the_scale():
    x = RNG.standard_normal((1, 1, 3))
    first_order(
        lambda x: x.interpolate(scale_factor=1.3),
        lambda x: functional.interpolate(x, scale_factor=1.3, mode="linear"),
        x,
    )
    # On purpose: "nearest" reads pixel floor(i / scale), for any number of axes.  PyTorch does so
    # for sequences, but not for their gradient, nor for images, which it then leaves as they are.
    assert Tensor([[[0, 1, 2]]]).interpolate(None, "nearest", scale_factor=1.3).tolist() == [
        [[0, 0, 1]]
    ]


def test_float16_is_summed_in_float32():
    ones = np.ones((1, 1, 70_000), np.float16)
    first_order(lambda x: x.avg_pool1d(70_000), lambda x: functional.avg_pool1d(x, 70_000), ones)
    first_order(
        lambda x: x.adaptive_avg_pool1d(1), lambda x: functional.adaptive_avg_pool1d(x, 1), ones
    )
    x, w = np.full((1, 1, 4000), 0.1, np.float16), np.ones((1, 1, 4000), np.float16)
    first_order(lambda x, w: x.conv1d(w), torch.conv1d, x, w)


@pytest.mark.parametrize("channels_last", [False, True])
def test_results_do_not_depend_on_the_memory(channels_last):
    x = RNG.standard_normal((3, 4, 6, 5))
    w = RNG.standard_normal((4, 4, 3, 3))
    check(
        lambda x, w: (x.permute(0, 3, 1, 2) if channels_last else x).conv2d(w).max_pool2d(2, 1),
        lambda x, w: functional.max_pool2d(
            torch.conv2d(x.permute(0, 3, 1, 2) if channels_last else x, w), 2, 1
        ),
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if channels_last else x,
        w,
    )


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_in_chunks_as_at_once(monkeypatch, stride, groups, size):
    """A batch that does not fit the cache is computed in chunks, down to a row of one image."""
    monkeypatch.setattr(windows, "CHUNK", size)
    x, w = RNG.standard_normal((5, 4, 6, 5)), RNG.standard_normal((4, 4 // groups, 3, 2))
    check(
        lambda x, w: x.conv2d(w, None, groups, stride, 1, 1).max_pool2d(2, 1).avg_pool2d(1),
        lambda x, w: functional.max_pool2d(torch.conv2d(x, w, None, stride, 1, 1, groups), 2, 1),
        x,
        w,
        second=False,
    )
    check(
        lambda x, w: x.conv_transpose2d(w, None, groups, stride, 1, 1),
        lambda x, w: torch.conv_transpose2d(x, w, None, stride, 1, 0, groups, 1),
        x,
        w,
        second=False,
    )
