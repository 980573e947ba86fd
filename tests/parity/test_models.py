"""Small models of many kinds beside PyTorch: loss, gradients, second order, steps of training.

Written as somebody writes them who knows tinygrad and PyTorch; where possible the other side takes
another way to the same number: a fused function, a distribution, all paths instead of a recursion.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from parity import image_models, latent_models, sequence_models
from parity.model import Model

import nn
from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

MODELS = Model.__subclasses__()
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
# A small eps would have Adam blow up rounding, where a gradient is 0 but for that: a key's bias.
OPTIMISERS = {
    "SGD": ({"lr": 0.05, "momentum": 0.9}, {"lr": 0.05, "momentum": 0.9}),
    "Adam": (
        {"lr": 0.01, "betas": (0.8, 0.999), "eps": 1e-3},
        {"lr": 0.01, "betas": (0.8, 0.999), "eps": 1e-3},
    ),
}


def cast(array, dtype):
    return array.astype(dtype) if array.dtype.kind == "f" else array


class Pair:
    """A model's weights and data in both engines."""

    def __init__(self, model, dtype):
        self.model = model
        self.names = list(vars(model.weights))
        starts = [np.asarray(start, dtype) for start in model.starts().values()]
        data = {name: cast(array, dtype) for name, array in vars(model.data).items()}
        self.ours = [Tensor(start, requires_grad=True) for start in starts]
        self.theirs = [torch.tensor(start, requires_grad=True) for start in starts]
        self.data = SimpleNamespace(**{name: Tensor(array) for name, array in data.items()})
        self.others = SimpleNamespace(**{name: torch.tensor(array) for name, array in data.items()})
        # In float32 both round, here and there by other ways.
        self.tolerance = model.exact if dtype == np.float64 else 2e-4

    def losses(self):
        w = SimpleNamespace(**dict(zip(self.names, self.ours, strict=True)))
        v = SimpleNamespace(**dict(zip(self.names, self.theirs, strict=True)))
        return self.model.ours(w, self.data), self.model.theirs(v, self.others)

    def same(self, found, expected, what):
        """Each as close as its tensor's largest element allows."""
        for name, a, b in zip(self.names, found, expected, strict=True):
            b = b.detach().numpy()
            assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{what}: {name}"
            largest = max(1.0, np.abs(b).max(initial=0))
            np.testing.assert_allclose(
                a.numpy(), b, rtol=0, atol=self.tolerance * largest, err_msg=f"{what}: {name}"
            )


@every_dtype
@every_model
def test_loss_and_gradients(model, dtype):
    pair = Pair(model, dtype)
    loss, other = pair.losses()
    assert loss.shape == ()
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss.item(), other.item(), rtol=pair.tolerance)
    loss.backward()
    other.backward()
    pair.same([w.grad for w in pair.ours], [w.grad for w in pair.theirs], "gradient")


@every_model
def test_hessian_vector_product(model):
    pair = Pair(model, np.float64)
    loss, other = pair.losses()
    first = grad(loss, pair.ours, create_graph=True)
    expected = torch.autograd.grad(other, pair.theirs, create_graph=True)
    draw = np.random.default_rng(11)
    v = [draw.standard_normal(w.shape) for w in pair.ours]
    along = sum((g * Tensor(u)).sum() for g, u in zip(first, v, strict=True))
    other_along = sum((g * torch.tensor(u)).sum() for g, u in zip(expected, v, strict=True))
    found = grad(along, pair.ours, allow_unused=True)
    wanted = torch.autograd.grad(other_along, pair.theirs, allow_unused=True)
    pair.same(
        [w.zeros_like() if g is None else g for w, g in zip(pair.ours, found, strict=True)],
        [torch.zeros_like(w) if g is None else g for w, g in zip(pair.theirs, wanted, strict=True)],
        "second-order gradient",
    )


@every_dtype
@pytest.mark.parametrize("name", OPTIMISERS)
@every_model
def test_three_steps(model, name, dtype):
    pair = Pair(model, dtype)
    mine, others = OPTIMISERS[name]
    mine = getattr(nn.optim, name)(pair.ours, **mine)
    others = getattr(torch.optim, name)(pair.theirs, **others)
    for _ in range(3):
        for optimiser, loss in zip((mine, others), pair.losses(), strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    pair.same(pair.ours, pair.theirs, f"after three steps of {name}")


def test_the_models_are_of_many_kinds():
    assert len(MODELS) >= 20
    assert {model.__module__ for model in MODELS} == {
        module.__name__ for module in (image_models, latent_models, sequence_models)
    }
