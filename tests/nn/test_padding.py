"""Padding, dropout and distances as layers: against NumPy, gradients, wrong options."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng(11)
MODES = {
    "ReflectionPad": {"mode": "reflect"},
    "ReplicationPad": {"mode": "edge"},
    "CircularPad": {"mode": "wrap"},
    "ZeroPad": {"mode": "constant"},
    "ConstantPad": {"mode": "constant", "constant_values": 2.5},
}
GIVEN = {1: (1, 2), 2: (1, 2, 0, 3), 3: (0, 1, 2, 1, 1, 0)}


def padding(kind, rank, widths):
    value = (2.5,) if kind == "ConstantPad" else ()
    return getattr(nn, f"{kind}{rank}d")(widths, *value)


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("batch", [(2, 3), (3,)])
def test_padding_as_in_numpy(kind, rank, batch):
    x = RNG.standard_normal((*batch, *(4, 5, 4)[:rank]))
    flat = GIVEN[rank]
    pairs = [flat[i : i + 2] for i in range(0, 2 * rank, 2)][::-1]
    none = [(0, 0)] * len(batch)
    layer = padding(kind, rank, flat)
    np.testing.assert_array_equal(layer(x).numpy(), np.pad(x, none + pairs, **MODES[kind]))
    one = padding(kind, rank, 2)(x).numpy()
    np.testing.assert_array_equal(one, np.pad(x, none + [(2, 2)] * rank, **MODES[kind]))
    assert layer(x.astype(np.float16)).dtype == np.float16
    tensor = Tensor(x, requires_grad=True)
    assert gradcheck(layer, [tensor])
    assert gradgradcheck(layer, [tensor])


@pytest.mark.parametrize("kind", MODES)
def test_a_negative_number_removes(kind):
    x = RNG.standard_normal((2, 3, 4, 5))
    layer = padding(kind, 2, (-1, -2, 0, -1))
    np.testing.assert_array_equal(layer(x).numpy(), x[:, :, :-1, 1:-2])


def test_an_empty_batch():
    assert nn.ReflectionPad2d(1)(np.ones((0, 3, 4, 5))).shape == (0, 3, 6, 7)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: nn.ReflectionPad2d((1, 2)),
            ValueError,
            "ReflectionPad2d: padding: expected an integer or 4 of them; got (1, 2)",
        ),
        (
            lambda: nn.ZeroPad1d(1.5),
            TypeError,
            "ZeroPad1d: padding: expected an integer or a tuple of integers; got 1.5",
        ),
        (
            lambda: nn.ConstantPad2d(1, "0"),
            TypeError,
            "ConstantPad2d: value: expected a number; got '0'",
        ),
        (
            lambda: nn.ZeroPad2d(-3)(np.ones((1, 1, 4, 5))),
            ValueError,
            "ZeroPad2d: pad: axis 2 has size 4; padding (-3, -3) removes more",
        ),
        (
            lambda: nn.ZeroPad3d(1)(np.ones((4, 5))),
            ValueError,
            "ZeroPad3d: pad: padding: expected pairs (before, after) for at most 2 axes, from the "
            "last on; got (1, 1, 1, 1, 1, 1)",
        ),
    ],
)
def test_wrong_padding_is_named(make, error, message):
    with pytest.raises(error, match=":") as caught:
        make()
    assert str(caught.value) == message
