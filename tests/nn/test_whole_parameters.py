"""Optimisers that see whole parameters, LBFGS, Muon, LARS and LAMB, against plain formulas."""

import copy
import math
import pickle
import re

import numpy as np
import pytest

import nn
from nn import optim
from tinygrad_lite import Tensor

SHAPES = [(7, 5), (5, 9), (1, 3)]


def lamb(p, g, state, lr=0.001, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
    b1, b2 = betas
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
    v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
    d = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + weight_decay * p
    a, b = np.linalg.norm(p.ravel()), np.linalg.norm(d.ravel())
    return p - lr * (a / b if a and b else 1.0) * d


def lars(p, g, state, lr=0.001, momentum=0.9, weight_decay=1e-4, nesterov=False, tcoef=0.001):
    a, b = np.linalg.norm(p.ravel()), np.linalg.norm(g.ravel())
    r = tcoef * a / (b + weight_decay * a) if a and b else 1.0
    d = lr * r * (g + weight_decay * p)
    v = state["v"] = momentum * state.get("v", 0) + d
    return p - (d + momentum * v if nesterov else v)


def muon(
    p,
    g,
    state,
    lr=0.001,
    weight_decay=0.1,
    momentum=0.95,
    nesterov=True,
    ns_coefficients=(3.4445, -4.775, 2.0315),
    eps=1e-7,
    ns_steps=5,
    adjust_lr_fn=None,
):
    m = state["m"] = momentum * state.get("m", 0) + (1 - momentum) * g
    d = momentum * m + (1 - momentum) * g if nesterov else m
    u, s, vh = np.linalg.svd(d / max(np.linalg.norm(d), eps), full_matrices=False)
    a, b, c = ns_coefficients  # a polynomial in the matrix is one in its singular values
    for _ in range(ns_steps):
        s = a * s + b * s**3 + c * s**5
    rows, columns = p.shape
    if adjust_lr_fn == "match_rms_adamw":
        ratio = 0.2 * math.sqrt(max(rows, columns))
    else:
        ratio = math.sqrt(max(1, rows / columns))
    return p * (1 - lr * weight_decay) - lr * ratio * (u * s) @ vh


CASES = [
    ("LAMB", lamb, {}),
    ("LAMB", lamb, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("LARS", lars, {}),
    ("LARS", lars, {"lr": 2.0, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True}),
    ("LARS", lars, {"lr": 0.5, "momentum": 0.0, "weight_decay": 0.0, "tcoef": 0.1}),
    ("Muon", muon, {}),
    ("Muon", muon, {"lr": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0}),
    ("Muon", muon, {"adjust_lr_fn": "match_rms_adamw", "lr": 0.02}),
    ("Muon", muon, {"ns_steps": 2, "ns_coefficients": (2.0, -1.5, 0.5), "eps": 0.1}),
]
TOLERANCE = {np.float16: 2e-3, np.float32: 1e-5, np.float64: 1e-10}


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "formula", "options"), CASES)
def test_fifty_steps_follow_the_formula(name, formula, options, dtype, maximize):
    rng = np.random.default_rng(4)
    if maximize and name == "Muon":
        options, maximize = {**options, "lr": 0.03}, False
    shapes = SHAPES if name == "Muon" else [*SHAPES, (4,), (), (2, 0), (2, 3, 2)]
    starts = [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    parameters = [Tensor(start, requires_grad=True) for start in starts]
    expected, states = [start.astype(np.float64) for start in starts], [{} for _ in starts]
    more = {"maximize": True} if maximize else {}
    optimizer = getattr(optim, name)(parameters, **options, **more)
    steps = 8 if dtype == np.float16 else 50  # each of which rounds the parameter to float16
    for step in range(steps):
        for position, parameter in enumerate(parameters):
            gradient = np.asarray(rng.standard_normal(parameter.shape), dtype)
            absent = position == 1 and step % 3 == 0
            parameter.grad = None if absent else Tensor(gradient)
            if not absent:
                sign = -1.0 if maximize else 1.0
                expected[position] = formula(
                    expected[position],
                    sign * gradient.astype(np.float64),
                    states[position],
                    **options,
                )
        optimizer.step()
    for parameter, values in zip(parameters, expected, strict=True):
        assert parameter.dtype == dtype
        tolerance = TOLERANCE[dtype] * (1 if dtype != np.float16 else steps)
        np.testing.assert_allclose(parameter.data, values, rtol=tolerance, atol=tolerance)
    computed = np.float32 if dtype == np.float16 else dtype
    for parameter in parameters:
        for kept in optimizer.state[parameter].values():
            assert not kept.ndim or kept.dtype == computed


@pytest.mark.parametrize("name", ["LAMB", "LARS"])
def test_a_parameter_or_gradient_of_zeros_has_the_rate_itself(name):
    options = {"lr": 0.5} if name == "LAMB" else {"lr": 0.5, "momentum": 0.0, "weight_decay": 0.0}
    zeros, still = Tensor.zeros(2, requires_grad=True), Tensor.ones(2, requires_grad=True)
    zeros.grad, still.grad = Tensor([1.0, -2.0]), Tensor.zeros(2)
    getattr(optim, name)([zeros, still], **options).step()
    expected = [-0.5, 0.5] if name == "LAMB" else [-0.5, 1.0]
    np.testing.assert_allclose(zeros.data, expected, rtol=1e-5)
    assert still.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["LAMB", "LARS", "Muon"])
def test_layouts_and_copies_make_no_difference(name):
    start, gradient = np.random.default_rng(2).standard_normal((2, 6, 4))
    results = []
    for change in (np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1].copy()[::-1]):
        parameter = Tensor(start, requires_grad=True)
        parameter.data = memory = change(start.copy())
        optimizer = getattr(optim, name)([parameter], lr=0.1)
        for _ in range(2):
            parameter.grad = Tensor.zeros(1)
            parameter.grad.data = change(gradient.copy())
            optimizer.step()
        assert parameter.data is memory
        results.append(parameter.data)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["LAMB", "LARS", "Muon", "LBFGS"])
def test_a_run_that_is_continued_gives_the_same_numbers(name):
    def made(seed):
        Tensor.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False))
        options = {"line_search_fn": "strong_wolfe", "max_iter": 3} if name == "LBFGS" else {}
        return model, getattr(optim, name)(list(model.parameters()), lr=0.1, **options)

    x = Tensor(np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32))
    y = x.sum(1, keepdim=True).tanh()

    def run(model, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = model(x).mse_loss(y)
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(steps)]

    model, optimizer = made(1)
    run(model, optimizer, 4)
    other, continued = made(2)
    other.load_state_dict(model.state_dict())
    continued.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    again, pickled = pickle.loads(pickle.dumps((model, optimizer)))
    losses = run(model, optimizer, 4)
    assert run(other, continued, 4) == losses
    assert run(again, pickled, 4) == losses
    assert losses[-1] < losses[0]


# LBFGS


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] * x[:-1]).square() + (1.0 - x[:-1]).square()).sum()


def closure_of(loss, *parameters):
    def closure():
        closure.calls += 1
        for parameter in parameters:
            parameter.grad = None
        value = loss(*parameters)
        value.backward()
        return value

    closure.calls = 0
    return closure


def test_lbfgs_finds_the_minimum_of_rosenbrocks_function():
    x = Tensor(np.array([1.2, 1.0, 1.5, 0.5]), requires_grad=True)
    optimizer = optim.LBFGS([x], tolerance_change=0.0, line_search_fn="strong_wolfe")
    closure = closure_of(rosenbrock, x)
    optimizer.step(closure)
    for _ in range(5):
        optimizer.step(closure)
    np.testing.assert_allclose(x.data, 1.0, rtol=1e-8)
    assert optimizer.state[x]["func_evals"] == closure.calls < 120
    before = closure.calls
    optimizer.step(closure)  # at the minimum it only looks
    assert closure.calls == before + 1


def test_lbfgs_solves_a_quadratic_in_as_many_steps_as_it_has_axes():
    rng = np.random.default_rng(3)
    root = rng.standard_normal((5, 5))
    matrix, b = root @ root.T + np.eye(5), rng.standard_normal(5)
    x = Tensor(np.zeros(5), requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=40, tolerance_change=0.0, line_search_fn="strong_wolfe")
    optimizer.step(closure_of(lambda x: 0.5 * (x @ matrix @ x) - x @ b, x))
    np.testing.assert_allclose(x.data, np.linalg.solve(matrix, b), atol=1e-7)


def test_the_first_steps_of_lbfgs_by_hand():
    # x^2 + 2 y^2 from (1, 1): gradient (2, 4), |g|_1 = 6, so the first step is (2, 4) / 6.
    x = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=1)
    closure = closure_of(lambda x: (x * x * np.array([1.0, 2.0])).sum(), x)
    assert optimizer.step(closure).item() == 3.0
    np.testing.assert_allclose(x.data, [2 / 3, 1 / 3], rtol=1e-15)
    # Then s = -(1/3, 2/3), y = -(2/3, 8/3), and H is the BFGS update of (y.s / y.y) times identity.
    s, y, g = np.array([-1, -2]) / 3, np.array([-2, -8]) / 3, np.array([4, 4]) / 3
    rho = 1 / (y @ s)
    left = np.eye(2) - rho * np.outer(s, y)
    h = left @ (np.eye(2) * (y @ s) / (y @ y)) @ left.T + rho * np.outer(s, s)
    optimizer.step(closure)
    np.testing.assert_allclose(x.data, [2 / 3, 1 / 3] - h @ g, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_keeps_dtypes_and_memory(search, dtype):
    a, b = Tensor(np.ones((2, 3), dtype), requires_grad=True), Tensor(2.0, requires_grad=True)
    unused = Tensor.ones(2, requires_grad=True)
    a.data = np.asfortranarray(a.data)
    memory = a.data, b.data
    optimizer = optim.LBFGS([a, unused, b], lr=0.5, line_search_fn=search)
    target = np.arange(6, dtype=dtype).reshape(2, 3) / 4
    closure = closure_of(lambda a, b: (a - target).square().sum() + (b + 1.0).square(), a, b)
    for _ in range(3):
        optimizer.step(closure)
    assert a.data is memory[0]
    assert b.data is memory[1]
    assert (a.dtype, b.dtype) == (dtype, np.float32)
    np.testing.assert_allclose(a.data, target, atol=0.02 if dtype == np.float16 else 1e-3)
    assert b.item() == pytest.approx(-1.0, abs=1e-3)
    assert unused.tolist() == [1.0, 1.0]


def test_a_closure_that_fails_in_a_search_leaves_the_parameters_where_they_were():
    x = Tensor(np.array([-1.2, 1.0]), requires_grad=True)
    closure = closure_of(rosenbrock, x)

    def failing():
        if closure.calls == 2:
            raise KeyError("data")
        return closure()

    with pytest.raises(KeyError):
        optim.LBFGS([x], line_search_fn="strong_wolfe").step(failing)
    assert x.tolist() == [-1.2, 1.0]


@pytest.mark.filterwarnings("ignore:the loss is nan")
def test_a_loss_that_becomes_nan_ends():
    x = Tensor(np.array([0.5]), requires_grad=True)
    for search in (None, "strong_wolfe"):
        optimizer = optim.LBFGS([x], lr=100.0, line_search_fn=search)
        closure = closure_of(lambda x: x.log().sum() * math.nan, x)
        optimizer.step(closure)
        assert closure.calls < 60


def other_state(**changes):
    """The state of LBFGS after a step on two numbers, with some entries changed; None for gone."""
    x = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=2)
    optimizer.step(closure_of(lambda x: x.square().sum(), x))
    found = optimizer.state_dict()
    entry = {**found["state"][0], **changes}
    found["state"][0] = {name: value for name, value in entry.items() if value is not None}
    return found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": None, "ro": None}, "missing d, ro"),
        ({"exp_avg": Tensor.ones(2), "step": 1}, "unexpected exp_avg, step"),
        ({"d": np.ones((1, 2))}, "d: expected 2 floats in one axis; got ndarray of shape (1, 2)"),
        (
            {"old_dirs": [np.ones(2)], "old_stps": [np.ones(3)], "ro": [1.0]},
            "old_stps: expected 2 floats in one axis; got ndarray of shape (3,)",
        ),
        ({"old_stps": [np.ones(2)]}, "expected as many of old_dirs, old_stps, ro; got [0, 1, 0]"),
        ({"old_dirs": Tensor.ones(2)}, "old_dirs: expected a list; got Tensor of shape (2,)"),
        ({"n_iter": Tensor.ones(2)}, "n_iter: expected an integer; got Tensor of shape (2,)"),
        ({"n_iter": "3"}, "n_iter: expected an integer; got '3'"),
    ],
)
def test_lbfgs_refuses_a_state_that_is_not_its_own_and_keeps_what_it_has(changes, message):
    x = Tensor(np.array([3.0, 1.0]), requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=2)
    optimizer.step(closure_of(lambda x: x.square().sum(), x))
    evaluations = optimizer.state[x]["func_evals"]
    with pytest.raises((ValueError, TypeError)) as caught:
        optimizer.load_state_dict(other_state(**changes))
    assert str(caught.value).startswith(f"LBFGS: load_state_dict: {message}")
    assert optimizer.state[x]["func_evals"] == evaluations
    optimizer.load_state_dict(other_state())
    optimizer.step(closure_of(lambda x: x.square().sum(), x))


MATRIX = Tensor.ones(2, 2, requires_grad=True)
VECTOR = Tensor.ones(3, requires_grad=True)
ERRORS = [
    (
        lambda: optim.Muon([MATRIX, VECTOR]),
        "Muon: expected matrices; parameter 1 has shape (3,); train it with AdamW, in an optimizer "
        "of its own",
    ),
    (
        lambda: optim.Muon([MATRIX], ns_steps=100),
        "Muon: ns_steps: expected an integer below 100; got 100",
    ),
    (
        lambda: optim.Muon([MATRIX], ns_coefficients=(1, 2)),
        "Muon: ns_coefficients: expected three numbers; got (1, 2)",
    ),
    (
        lambda: optim.Muon([MATRIX], adjust_lr_fn="rms"),
        'Muon: adjust_lr_fn: expected None, "original" or "match_rms_adamw"; got \'rms\'',
    ),
    (lambda: optim.LARS([VECTOR], tcoef=-1), "LARS: tcoef: expected a number of 0 or more; got -1"),
    (
        lambda: optim.LAMB([VECTOR], betas=(0.9, 1.0)),
        "LAMB: betas[1]: expected a number from 0 to below 1; got 1.0",
    ),
    (
        lambda: optim.LBFGS([VECTOR], max_iter=0),
        "LBFGS: max_iter: expected an integer of 1 or more; got 0",
    ),
    (
        lambda: optim.LBFGS([VECTOR], line_search_fn="wolfe"),
        "LBFGS: line_search_fn: expected None or \"strong_wolfe\"; got 'wolfe'",
    ),
    (
        lambda: optim.LBFGS([{"params": [VECTOR]}, {"params": [MATRIX]}]),
        "LBFGS: expected one group of parameters, which are one vector; got 2",
    ),
    (
        lambda: optim.LBFGS([VECTOR]).step(),
        "LBFGS.step: closure: expected a function; got None",
    ),
    (
        lambda: optim.LBFGS([VECTOR]).step(lambda: 1.0),
        "step: no parameter has a gradient; the closure has to call backward",
    ),
    (
        lambda: optim.LBFGS([VECTOR]).step(lambda: None),
        "LBFGS: the result of the closure: expected a number; got None",
    ),
    (
        lambda: nn.state.get_state_dict(optim.LBFGS([VECTOR])),
        "LBFGS has a history that grows; save optimizer.state_dict() instead",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=f"^{re.escape(message)}$"):
        call()
