"""LBFGS and Muon beside PyTorch's."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(9)
X = RNG.standard_normal((40, 5))
Y = (X[:, 0] * X[:, 1] > 0).astype(np.float64)
ROOT = RNG.standard_normal((8, 8))


def rosenbrock(p):
    (x,) = p
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def quadratic(p):
    a, b = p
    root = ROOT if isinstance(a, Tensor) else torch.tensor(ROOT)
    return ((root @ a.reshape(8) - 1.0) ** 2).sum() + ((b - 3.0) ** 4).sum()


def logistic(p):
    w, b = p
    x, y = (X, Y) if isinstance(w, Tensor) else (torch.tensor(X), torch.tensor(Y))
    z = x @ w + b
    return ((1.0 + (-z.abs()).exp()).log() + z.relu() - z * y).mean() + 0.01 * (w * w).sum()


def network(p):
    w1, b1, w2 = p
    x, y = (X, Y) if isinstance(w1, Tensor) else (torch.tensor(X), torch.tensor(Y))
    return (((x @ w1 + b1).tanh() @ w2 - y) ** 2).mean()


PROBLEMS = {
    "rosenbrock": (rosenbrock, [np.array([-1.2, 1.0])]),
    "rosenbrock of 6": (rosenbrock, [np.array([-1.2, 1.0, 0.5, -0.3, 2.0, 0.1])]),
    "quadratic": (quadratic, [np.ones((2, 4)), np.zeros(3)]),
    "logistic": (logistic, [np.full(5, 0.1), np.array(0.2)]),
    "network": (network, [X[:5, :].copy(), np.zeros(5), X[6, :].copy()]),
}
OPTIONS = [
    {},
    {"lr": 0.1},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2},
    {"line_search_fn": "strong_wolfe", "lr": 0.3, "max_iter": 4},
    {"line_search_fn": "strong_wolfe", "max_iter": 10, "max_eval": 3},
    {"lr": 0.05, "history_size": 3, "max_iter": 5, "max_eval": 100},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2, "tolerance_change": 1e-3},
    {"line_search_fn": "strong_wolfe", "lr": 20.0, "max_eval": 40},
    {"max_iter": 1},
]


def closures(problem, starts, dtype=np.float64):
    """Ours and theirs: the parameters, and functions that compute the loss and the gradients."""
    mine = [Tensor(start.astype(dtype), requires_grad=True) for start in starts]
    others = [torch.tensor(start.astype(dtype), requires_grad=True) for start in starts]

    def closure(parameters):
        def evaluate():
            for parameter in parameters:
                parameter.grad = None
            loss = problem(parameters)
            loss.backward()
            return loss

        return evaluate

    return mine, others, closure(mine), closure(others)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("problem", "starts"), PROBLEMS.values(), ids=PROBLEMS)
def test_lbfgs_agrees_to_rounding(problem, starts, options):
    """The yardstick is PyTorch's own run from a start that is one rounding away."""
    mine, others, ours, theirs = closures(problem, starts)
    _, shifted, _, near = closures(problem, [start * (1 + 1e-15) + 1e-16 for start in starts])
    optimizer, reference, beside = (
        nn.optim.LBFGS(mine, **options),
        torch.optim.LBFGS(others, **options),
        torch.optim.LBFGS(shifted, **options),
    )
    compared = 0
    for _ in range(6):
        loss, expected, _ = optimizer.step(ours), reference.step(theirs), beside.step(near)
        spread = difference([p.detach().numpy() for p in shifted], others)
        if spread > 1e-6:
            break
        compared += 1
        assert difference([p.data for p in mine], others) < 1e-12 + 1000 * spread
        assert loss.item() == pytest.approx(expected.item(), rel=1e-3, abs=1e-12 + 1000 * spread)
        state, other = optimizer.state[mine[0]], reference.state[others[0]]
        if spread < 1e-13 and expected.item() > 1e-9:
            assert state["n_iter"] == other["n_iter"]
            assert state["func_evals"] == other["func_evals"]
    assert compared > 1


def difference(ours, theirs):
    return max(np.abs(a - b.detach().numpy()).max() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_the_first_directions_of_lbfgs_agree_to_rounding(search):
    mine, others, ours, theirs = closures(*PROBLEMS["rosenbrock of 6"])
    options = {"lr": 1.0 if search else 1e-3, "max_iter": 12, "line_search_fn": search}
    nn.optim.LBFGS(mine, **options).step(ours)
    torch.optim.LBFGS(others, **options).step(theirs)
    np.testing.assert_allclose(mine[0].data, others[0].detach().numpy(), rtol=1e-10)


def test_lbfgs_goes_on_from_pytorchs_state():
    mine, others, ours, theirs = closures(*PROBLEMS["network"])
    options = {"max_iter": 3, "line_search_fn": "strong_wolfe"}
    optimizer, reference = nn.optim.LBFGS(mine, **options), torch.optim.LBFGS(others, **options)
    reference.step(theirs)
    for a, b in zip(mine, others, strict=True):
        a.data = b.detach().numpy().copy()
    optimizer.load_state_dict(reference.state_dict())
    for _ in range(3):
        optimizer.step(ours)
        reference.step(theirs)
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-8)


MUON = [
    {},
    {"nesterov": False},
    {"lr": 0.05, "weight_decay": 0.0, "momentum": 0.5},
    {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"},
    {"adjust_lr_fn": "original", "ns_steps": 1, "eps": 1e-2},
    {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 8, "momentum": 0.0},
    {"ns_steps": 0, "lr": 0.1},
]


@pytest.fixture
def without_bfloat16(monkeypatch):
    """PyTorch's Muon, without the rounding to bfloat16."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)


@pytest.mark.usefixtures("without_bfloat16")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", MUON, ids=str)
def test_muon_agrees_for_fifty_steps(options, dtype):
    rng = np.random.default_rng(3)
    starts = [
        rng.standard_normal(shape).astype(dtype) for shape in [(7, 5), (5, 7), (1, 3), (4, 4)]
    ]
    mine = [Tensor(start, requires_grad=True) for start in starts]
    others = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer, reference = nn.optim.Muon(mine, **options), torch.optim.Muon(others, **options)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for step in range(50):
        for position, (a, b) in enumerate(zip(mine, others, strict=True)):
            gradient = rng.standard_normal(a.shape).astype(dtype)
            absent = position == 1 and step % 3 == 0
            a.grad = None if absent else Tensor(gradient)
            b.grad = None if absent else torch.tensor(gradient)
        optimizer.step()
        reference.step()
        for a, b in zip(mine, others, strict=True):
            np.testing.assert_allclose(
                a.data, b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=str(step)
            )
    state = optimizer.state_dict()["state"]
    for number, expected in reference.state_dict()["state"].items():
        assert state[number].keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(
                state[number][name].data, expected[name].numpy(), rtol=tolerance, atol=tolerance
            )


def test_muon_is_pytorchs_up_to_the_rounding_of_bfloat16():
    start, gradient = np.random.default_rng(1).standard_normal((2, 30, 20)).astype(np.float32)
    a, b = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    a.grad, b.grad = Tensor(gradient), torch.tensor(gradient)
    nn.optim.Muon([a], lr=1.0).step()
    torch.optim.Muon([b], lr=1.0).step()
    np.testing.assert_allclose(a.data, b.detach().numpy(), atol=0.03)
