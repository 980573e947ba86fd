"""Optimisers and layers beside PyTorch's."""

import math

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

SGD = [
    {"lr": 0.05},
    {"lr": 0.05, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
]
ADAM = [{}, {"lr": 0.05}, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}]
CASES = [
    *(("SGD", options) for options in SGD),
    *(("Adam", options) for options in ADAM),
    *(("AdamW", options) for options in ADAM),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
]
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_agree(name, options, dtype):
    rng = np.random.default_rng(4)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in [(7, 5), (5,), ()]]
    ours = [Tensor(start, requires_grad=True) for start in starts]
    others = [torch.tensor(start, requires_grad=True) for start in starts]
    mine, reference = (
        getattr(nn.optim, name)(ours, **options),
        getattr(torch.optim, name)(others, **options),
    )
    for step in range(20):
        for position, (a, b) in enumerate(zip(ours, others, strict=True)):
            gradient = np.asarray(rng.standard_normal(a.shape), dtype)
            absent = position == 1 and step % 3 == 0  # as for a layer that was not used
            a.grad = None if absent else Tensor(gradient)
            b.grad = None if absent else torch.tensor(gradient)
        mine.step()
        reference.step()
        for a, b in zip(ours, others, strict=True):
            np.testing.assert_allclose(
                a.data, b.detach().numpy(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
            )


def test_linear_starts_within_the_same_bounds():
    Tensor.manual_seed(0)
    torch.manual_seed(0)
    bound = 1 / math.sqrt(300)
    ours, other = nn.Linear(300, 200), torch.nn.Linear(300, 200)
    for mine, reference in ((ours.weight, other.weight), (ours.bias, other.bias)):
        values, expected = mine.data, reference.detach().numpy()
        assert values.shape == expected.shape
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert abs(values.std() - expected.std()) < 5 * bound / math.sqrt(values.size)


def test_initialisers_have_pytorchs_bounds():
    for shape in [(300, 200), (30, 20, 3, 5)]:
        for mine, reference in (
            (nn.init.kaiming_uniform(*shape, a=0.2), ("kaiming_uniform_", {"a": 0.2})),
            (nn.init.kaiming_normal(*shape), ("kaiming_normal_", {})),
            (nn.init.glorot_uniform(*shape), ("xavier_uniform_", {})),
        ):
            other = torch.empty(shape)
            getattr(torch.nn.init, reference[0])(other, **reference[1])
            assert mine.data.std() == pytest.approx(other.std().item(), rel=0.05)


def test_state_goes_both_ways():
    ours = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    other = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    state = {name: tensor.numpy() for name, tensor in other.state_dict().items()}
    nn.state.load_state_dict(ours, state)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_allclose(ours(x).data, other(torch.tensor(x)).detach().numpy(), atol=1e-6)
