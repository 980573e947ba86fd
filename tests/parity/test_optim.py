"""Optimisers and layers beside PyTorch's."""

import copy
import inspect
import math

import numpy as np
import pytest
from parity.optim_cases import CASES, GRIDS, gradients, starts

import nn
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# PyTorch counts on some numbers of the state in the default dtype: those of NAdam and ASGD.
TORCH = {np.float32: torch.float32, np.float64: torch.float64}
# float64 differs in the order of the operations; float32 where a root divides, too.
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


@pytest.fixture(autouse=True)
def _default_dtype():
    yield
    torch.set_default_dtype(torch.float32)


class Twins:
    """The same parameters in both engines, and an optimiser for each."""

    def __init__(self, name, dtype, grouped, options, seed=4):
        torch.set_default_dtype(TORCH[dtype])
        self.rng, self.dtype, self.steps = np.random.default_rng(seed), dtype, 0
        values = starts(self.rng, dtype)
        self.ours = [Tensor(np.zeros(0, dtype), requires_grad=True) for _ in values]
        for parameter, value in zip(self.ours, values, strict=True):
            parameter.data = value.copy(order="K")
        self.theirs = [torch.tensor(value, requires_grad=True) for value in values]
        self.mine = getattr(nn.optim, name)(grouped(self.ours), **options)
        self.other = getattr(torch.optim, name)(grouped(self.theirs), **options)

    def train(self, steps):
        """Compare after every step, and the state at the end; the largest difference found."""
        worst, tolerance = 0.0, TOLERANCE[self.dtype]
        for step in range(self.steps, self.steps + steps):
            drawn = gradients(self.rng, self.dtype, step)
            for a, b, gradient in zip(self.ours, self.theirs, drawn, strict=True):
                a.grad = None if gradient is None else Tensor(gradient)
                b.grad = None if gradient is None else torch.tensor(gradient)
            self.mine.step()
            self.other.step()
            for a, b in zip(self.ours, self.theirs, strict=True):
                expected = b.detach().numpy()
                assert a.dtype == self.dtype
                away = np.abs(a.data - expected) / np.maximum(1, np.abs(expected))
                worst = max(worst, float(away.max(initial=0)))
        for a, b in zip(self.ours, self.theirs, strict=True):
            for kept, value in self.other.state.get(b, {}).items():
                if value is None or (kept == "step" and isinstance(self.mine, nn.optim.SGD)):
                    continue  # PyTorch's SGD keeps a count that is loaded, and does not count on
                expected = value.numpy()
                np.testing.assert_allclose(
                    self.mine.state[a][kept], expected, rtol=tolerance, atol=tolerance
                )
        self.steps += steps
        assert worst < tolerance
        return worst


def together(parameters):
    return parameters


def apart(parameters):
    return [{"params": parameters[:2], "lr": 0.02}, {"params": parameters[2:]}]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("grouped", [together, apart])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_fifty_steps_agree(name, options, grouped, dtype):
    Twins(name, dtype, grouped, options).train(50)


def arrays(state_dict):
    """PyTorch's tensors as arrays, and ours as PyTorch's."""
    state = {
        index: {
            name: value.numpy().copy() if torch.is_tensor(value) else torch.tensor(value.data)
            for name, value in kept.items()
            if value is not None
        }
        for index, kept in state_dict["state"].items()
    }
    return {**state_dict, "state": state}


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_state_goes_both_ways(name, options, as_is):
    """Each side goes on from the state of the other, halfway; PyTorch's tensors are taken too."""
    twins = Twins(name, np.float64, apart, options)
    twins.train(7)
    ours, theirs = (arrays(side.state_dict()) for side in (twins.mine, twins.other))
    tensors = copy.deepcopy(twins.other.state_dict())
    assert ours["state"].keys() == theirs["state"].keys()
    for index, kept in theirs["state"].items():
        extra = {"step"} if name == "SGD" and kept else set()
        assert ours["state"][index].keys() == kept.keys() | extra
    for side in (twins.mine, twins.other):
        for group in side.param_groups:
            group["lr"] = 0.7
    twins.mine.load_state_dict(tensors if as_is else theirs)
    twins.other.load_state_dict({**twins.other.state_dict(), "state": ours["state"]})
    for group, other in zip(twins.mine.param_groups, twins.other.param_groups, strict=True):
        assert group["lr"] != 0.7
        other["lr"] = group["lr"]
    twins.train(7)


@pytest.mark.parametrize("name", GRIDS)
def test_arguments_are_pytorchs(name):
    """The same names, order and defaults, but for what chooses an implementation, and checks."""
    skipped = {"foreach", "fused", "capturable", "differentiable", "check_finite"}
    mine, other = (
        {
            parameter.name: parameter.default
            for parameter in inspect.signature(getattr(module, name)).parameters.values()
            if parameter.name not in skipped
        }
        for module in (nn.optim, torch.optim)
    )
    assert mine == other
    last = ("maximize", "decoupled_weight_decay")
    assert [n for n in mine if n not in last] == [n for n in other if n not in last]


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
