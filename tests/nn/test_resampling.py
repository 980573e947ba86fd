"""Images at another resolution, as layers: by hand and by NumPy, gradients, wrong options."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng(10)


def test_nearest_repeats():
    x = RNG.standard_normal((2, 3, 4, 5))
    expected = x.repeat(2, 2).repeat(3, 3)
    for layer in (
        nn.Upsample(scale_factor=(2, 3)),
        nn.Upsample((8, 15)),
        nn.Upsample((8, 15), mode="nearest-exact"),
        nn.UpsamplingNearest2d((8, 15)),
    ):
        np.testing.assert_array_equal(layer(x).numpy(), expected)
    np.testing.assert_array_equal(nn.Upsample(2)(x).numpy(), x[:, :, ::2, [0, 2]])


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(
    ("mode", "size"), [("linear", (7,)), ("bilinear", (3, 9)), ("trilinear", (2, 5, 4))]
)
def test_linear_modes_axis_by_axis(mode, size, align):
    x = RNG.standard_normal((2, 3, *(4, 5, 3)[: len(size)]))
    expected = x
    for axis, n in enumerate(size, 2):
        last = x.shape[axis] - 1
        at = np.linspace(0, last, n) if align else (np.arange(n) + 0.5) * (last + 1) / n - 0.5
        expected = np.apply_along_axis(
            lambda line, at=at, last=last: np.interp(at, np.arange(last + 1), line), axis, expected
        )
    y = nn.Upsample(size, mode=mode, align_corners=align)(x)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-13)


def test_aligned_corners_are_those_of_upsampling_bilinear_2d():
    x = RNG.standard_normal((1, 2, 3, 4))
    expected = nn.Upsample((6, 8), mode="bilinear", align_corners=True)(x).numpy()
    np.testing.assert_array_equal(nn.UpsamplingBilinear2d((6, 8))(x).numpy(), expected)
    np.testing.assert_array_equal(nn.UpsamplingBilinear2d(scale_factor=2)(x).numpy(), expected)


def test_a_recomputed_scale_is_that_of_the_sizes():
    x = RNG.standard_normal((1, 2, 5))
    exact = nn.Upsample(scale_factor=1.7, mode="linear", recompute_scale_factor=True)(x)
    np.testing.assert_array_equal(exact.numpy(), nn.Upsample(8, mode="linear")(x).numpy())
    assert not np.allclose(exact.numpy(), nn.Upsample(scale_factor=1.7, mode="linear")(x).numpy())


def test_area_is_the_mean_of_windows():
    x = RNG.standard_normal((2, 3, 4, 6))
    expected = x.reshape(2, 3, 2, 2, 3, 2).mean((3, 5))
    for options in ({"size": (2, 3)}, {"scale_factor": 0.5}):
        y = nn.functional.interpolate(Tensor(x), **options, mode="area")
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"^Upsample: area is for 1 to 3 axes; got 4, of shape"):
        nn.Upsample(2, mode="area")(np.ones((1, 1, 2, 2, 2, 2)))
    with pytest.raises(ValueError, match="align_corners is for linear and cubic modes; got area"):
        nn.Upsample(2, mode="area", align_corners=False)


def test_pixel_shuffle_by_hand():
    x = np.arange(8.0).reshape(1, 4, 1, 2)
    assert nn.PixelShuffle(2)(x).tolist() == [[[[0, 2, 1, 3], [4, 6, 5, 7]]]]


@pytest.mark.parametrize("shape", [(18, 2, 3), (2, 9, 1, 4), (2, 3, 9, 2, 2), (0, 9, 2, 2)])
def test_pixel_shuffle_and_back(shape):
    x = RNG.standard_normal(shape)
    y = nn.PixelShuffle(3)(x)
    assert y.shape == (*shape[:-3], shape[-3] // 9, shape[-2] * 3, shape[-1] * 3)
    for i, j in np.ndindex(3, 3):
        np.testing.assert_array_equal(y.numpy()[..., i::3, j::3], x[..., 3 * i + j :: 9, :, :])
    np.testing.assert_array_equal(nn.PixelUnshuffle(3)(y).numpy(), x)


@pytest.mark.parametrize("shape", [(2, 6, 3), (1, 6, 2, 3), (2, 6, 1, 2, 2)])
def test_channel_shuffle(shape):
    x = RNG.standard_normal(shape)
    y = nn.ChannelShuffle(2)(x)
    np.testing.assert_array_equal(y.numpy(), x[:, [0, 3, 1, 4, 2, 5]])
    np.testing.assert_array_equal(nn.ChannelShuffle(3)(y).numpy(), x)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample((3, 7)),
        nn.Upsample(scale_factor=1.5, mode="bilinear"),
        nn.Upsample((6, 2), mode="bilinear", align_corners=True),
        nn.Upsample((6, 3), mode="bicubic"),
        nn.Upsample(scale_factor=1.5, mode="bicubic", align_corners=True),
        nn.PixelShuffle(2),
        nn.PixelUnshuffle(2),
        nn.ChannelShuffle(2),
    ],
    ids=repr,
)
def test_gradients_and_dtypes(layer):
    x = RNG.standard_normal((2, 4, 4, 4))
    tensor = Tensor(x, requires_grad=True)
    assert gradcheck(layer, [tensor])
    assert gradgradcheck(layer, [tensor])
    for dtype in (np.float16, np.float32):
        y = layer(x.astype(dtype))
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), layer(x).numpy(), rtol=1e-2, atol=1e-2)


def cubic(distance, a=-0.75):
    """Keys' kernel, at a distance of 0 to 2 pixels."""
    d = np.abs(distance)
    inner = (a + 2) * d**3 - (a + 3) * d**2 + 1
    return np.where(d <= 1, inner, a * (d**3 - 5 * d**2 + 8 * d - 4)) * (d < 2)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(7, 3), (2, 9), (1, 1), (4, 5)])
def test_bicubic_is_a_sum_with_keys_kernel(size, align):
    x = RNG.standard_normal((2, 3, 4, 5))
    expected = x
    for axis, n in enumerate(size, 2):
        last = x.shape[axis] - 1
        at = np.linspace(0, last, n) if align else (np.arange(n) + 0.5) * (last + 1) / n - 0.5
        weights = np.zeros((n, last + 1))
        for row, position in enumerate(at):
            for tap in range(int(np.floor(position)) - 1, int(np.floor(position)) + 3):
                weights[row, min(max(tap, 0), last)] += cubic(position - tap)
        expected = np.moveaxis(np.moveaxis(expected, axis, -1) @ weights.T, -1, axis)
    y = nn.Upsample(size, mode="bicubic", align_corners=align)(x)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Upsample(), "Upsample: expected either size or scale_factor"),
        (lambda: nn.Upsample(3, 2.0), "Upsample: expected either size or scale_factor"),
        (
            lambda: nn.Upsample(3, mode="nearest", align_corners=False),
            "Upsample: align_corners is for linear and cubic modes; got nearest",
        ),
        (
            lambda: nn.Upsample(3, recompute_scale_factor=True),
            "Upsample: recompute_scale_factor is for a scale_factor, not for size",
        ),
        (
            lambda: nn.Upsample((3,))(np.ones((1, 2, 4, 4))),
            "Upsample: expected (N, C, *size) with the axes of (3,); got (1, 2, 4, 4)",
        ),
        (
            lambda: nn.Upsample(3)(np.ones((2, 4))),
            "Upsample: expected (N, C, *size) with the axes of 3; got (2, 4)",
        ),
        (
            lambda: nn.Upsample(3, mode="bilinear")(np.ones((2, 3, 4))),
            'Upsample: interpolate: bilinear is for 2 axes; got 1, of shape (2, 3, 4); "linear" '
            "is for any number",
        ),
        (
            lambda: nn.PixelShuffle(2)(np.ones((1, 6, 2, 2))),
            "PixelShuffle: pixel_shuffle: expected (..., C, H, W) with a multiple of 4 channels; "
            "got (1, 6, 2, 2)",
        ),
        (
            lambda: nn.PixelUnshuffle(2)(np.ones((1, 3, 2))),
            "PixelUnshuffle: pixel_unshuffle: expected (..., C, H, W) with H and W multiples of 2; "
            "got (1, 3, 2)",
        ),
        (
            lambda: nn.PixelShuffle(0),
            "PixelShuffle: upscale_factor: expected an integer of 1 or more; got 0",
        ),
        (
            lambda: nn.ChannelShuffle(4)(np.ones((1, 6, 2))),
            "ChannelShuffle: channel_shuffle: expected (N, C, *size) with a multiple of 4 "
            "channels; got (1, 6, 2)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=":") as caught:
        make()
    assert str(caught.value) == message
