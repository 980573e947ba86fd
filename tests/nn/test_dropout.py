"""Dropout layers: which elements drop together, how often, the scale, wrong options."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor

LOWEST = -1.0507009873554805 * 1.6732632423543772  # of SELU
WHOLE = [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout]
ALL = [nn.Dropout, nn.AlphaDropout, *WHOLE]
SHAPES = {nn.Dropout1d: (4, 5, 6), nn.Dropout3d: (4, 5, 2, 3, 2)}


def ones_for(kind):
    return np.ones(SHAPES.get(kind, (4, 5, 6, 3)))


@pytest.mark.parametrize("kind", ALL)
def test_nothing_drops_in_evaluation_or_without_a_chance(kind):
    x = Tensor(ones_for(kind))
    for layer in (kind().eval(), kind(0.0), kind(0, inplace=True)):
        np.testing.assert_array_equal(layer(x).numpy(), x.numpy())


@pytest.mark.parametrize("kind", ALL)
def test_everything_drops_at_one(kind):
    assert not kind(1)(ones_for(kind)).numpy().any()


@pytest.mark.parametrize("kind", ALL)
def test_the_seed_determines_the_mask_and_dtypes_stay(kind):
    x = ones_for(kind).astype(np.float32)
    Tensor.manual_seed(3)
    first = kind(0.4)(x)
    Tensor.manual_seed(3)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(kind(0.4, inplace=True)(x).numpy(), first.numpy())
    assert x.min() == 1.0
    assert kind(0.4)(x.astype(np.float16)).dtype == np.float16
    assert kind(0.4)(x.astype(np.int64)).dtype == np.float32


@pytest.mark.parametrize(
    ("layer", "shape", "together"),
    [
        (nn.Dropout1d(0.3), (60, 70, 4), (2,)),
        (nn.Dropout1d(0.3), (4000, 5), (1,)),
        (nn.Dropout2d(0.3), (60, 70, 2, 3), (2, 3)),
        (nn.Dropout2d(0.3), (60, 70, 4), (2,)),
        (nn.Dropout3d(0.3), (60, 70, 2, 1, 2), (2, 3, 4)),
        (nn.Dropout3d(0.3), (4000, 2, 1, 2), (1, 2, 3)),
    ],
)
def test_whole_channels_drop(layer, shape, together):
    Tensor.manual_seed(0)
    x = Tensor(np.ones(shape), requires_grad=True)
    y = layer(x)
    assert np.ptp(y.numpy(), axis=together).max() == 0
    found = np.unique(y.numpy())
    np.testing.assert_allclose(found, [0, 1 / 0.7], rtol=1e-12)
    assert (y.numpy() == 0).mean() == pytest.approx(0.3, abs=0.03)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


@pytest.mark.parametrize(
    ("kind", "together"), [(nn.AlphaDropout, ()), (nn.FeatureAlphaDropout, (2, 3))]
)
def test_alpha_dropout_keeps_mean_and_variance(kind, together):
    Tensor.manual_seed(0)
    p, data = 0.3, np.random.default_rng(0).standard_normal((200, 300, 2, 2))
    x = Tensor(data, requires_grad=True)
    y = kind(p)(x)
    assert y.numpy().mean() == pytest.approx(0, abs=0.02)
    assert y.numpy().var() == pytest.approx(1, abs=0.02)
    scale = ((LOWEST**2 * p + 1) * (1 - p)) ** -0.5
    shift = -scale * LOWEST * p
    y.sum().backward()
    dropped = x.grad.numpy() == 0
    assert dropped.mean() == pytest.approx(p, abs=0.01)
    expected = np.where(dropped, LOWEST, data) * scale + shift
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), np.where(dropped, 0, scale), rtol=1e-12)
    if together:
        assert np.ptp(dropped.astype(int), axis=together).max() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.Dropout2d(1.5),
            "Dropout2d: p: expected a number from 0 to 1; got 1.5",
        ),
        (
            lambda: nn.Dropout1d()(np.ones(3)),
            "Dropout1d: dropout1d: expected (N, C, L) or (C, L); got (3,)",
        ),
        (
            lambda: nn.Dropout2d()(np.ones((3, 4))),
            "Dropout2d: dropout2d: expected (N, C, H, W) or (N, C, L); got (3, 4)",
        ),
        (
            lambda: nn.Dropout3d()(np.ones((3, 4))),
            "Dropout3d: dropout3d: expected (N, C, D, H, W) or (C, D, H, W); got (3, 4)",
        ),
        (
            lambda: nn.FeatureAlphaDropout()(np.ones(3)),
            "FeatureAlphaDropout: feature_alpha_dropout: expected (N, C, ...); got (3,)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match="expected") as caught:
        make()
    assert str(caught.value) == message
