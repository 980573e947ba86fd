"""A result that NumPy writes over a temporary has its memory order, in a record too."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, capture, generator


def named(a, f):
    t = f + 1.0
    return a * t


EXPRESSIONS = {
    "second": lambda a, f: a * (1.0 - f * f),
    "first": lambda a, f: (f + 1.0) * a,
    "both": lambda a, f: (a + 1.0) * (f + 1.0),
    "sum": lambda a, f: a + f * 2.0,
    "first of a difference": lambda a, f: (f + 1.0) - a,
    "second of a difference": lambda a, f: a - (f + 1.0),
    "quotients": lambda a, f: (f * 2.0) / a + a / (f * 2.0),
    "neither": lambda a, f: f * a,
    "named": named,
    "view": lambda a, f: a * (f + 1.0)[:],
    "wider": lambda a, f: a * (f + np.float64(1.0)),
    "masks": lambda a, f: ((a > 0.5) & ((f > 0.2) | (f < 0.1))) * a,
    "chain": lambda a, f: (a + (f + 1.0) * 2.0) * a - (f * f + a),
}


@pytest.mark.parametrize("size", [255, 512])  # the smaller one is below NumPy's limit
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_order_of_a_result_and_the_bits_of_its_sums(name, size):
    def step(a, f):
        y = EXPRESSIONS[name](a, f)
        return y.sum(0), y.sum(1), y.T.reshape(-1)[:9] * 1, y.strides

    captured = capture(step, strict=True)
    for number in range(4):
        rng = np.random.default_rng(number)
        a = rng.random((size, size), np.float32)
        f = rng.random((size, size), np.float32).T
        *expected, order = step(a, f)
        *found, same_order = captured(a, f)
        assert same_order == order
        assert [x.tobytes() for x in found] == [x.tobytes() for x in expected]


@pytest.mark.parametrize("layer", [nn.GELU, nn.Tanh])
def test_large_activations_in_both_orders(layer):
    def trained(captured):
        with generator.seeded(0):
            model = nn.Sequential(
                nn.Linear(512, 512), layer(), nn.LayerNorm(512), nn.Linear(512, 3)
            )

        def step(x):
            model.zero_grad()
            y = model(x)
            y.square().sum().backward()
            return y

        call, seen = capture(step, strict=True) if captured else step, []
        for number in range(3):
            rng = np.random.default_rng(number)
            seen.append(call(Tensor(rng.standard_normal((128, 512))).float()).data.tobytes())
            seen += [parameter.grad.data.tobytes() for parameter in model.parameters()]
        return seen

    assert trained(captured=True) == trained(captured=False)
