"""Each optimiser beside its formula, written in float64 NumPy from the paper, without PyTorch."""

import inspect
from itertools import product

import numpy as np
import pytest
from every import each

from nn import optim
from tinygrad_lite import Tensor

STEPS = 40


def sgd(w, lr=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    v = None
    while True:
        d = (yield w) + weight_decay * w
        if not momentum:
            w = w - lr * d
            continue
        v = d if v is None else momentum * v + (1 - dampening) * d
        w = w - lr * (d + momentum * v if nesterov else v)


def adam(
    w,
    lr=0.001,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    decoupled_weight_decay=False,
):
    m, v, largest, t = 0.0, 0.0, 0.0, 0
    while True:
        d, t = (yield w), t + 1
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            d = d + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        largest = np.maximum(largest, v)
        mean, square = m / (1 - betas[0] ** t), (largest if amsgrad else v) / (1 - betas[1] ** t)
        w = w - lr * mean / (np.sqrt(square) + eps)


def adamw(w, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False):
    return adam(w, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True)


def adamax(w, lr=0.002, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m, u, t = 0.0, 0.0, 0
    while True:
        d, t = (yield w) + weight_decay * w, t + 1
        m = betas[0] * m + (1 - betas[0]) * d
        u = np.maximum(betas[1] * u, np.abs(d) + eps)
        w = w - lr / (1 - betas[0] ** t) * m / u


def nadam(
    w,
    lr=0.002,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    momentum_decay=0.004,
    decoupled_weight_decay=False,
):
    m, v, t = 0.0, 0.0, 0
    factors = [betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in range(STEPS + 2)]
    while True:
        d, t = (yield w), t + 1
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            d = d + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        now, following = factors[t], factors[t + 1]
        mean = following * m / (1 - np.prod(factors[1 : t + 2]))
        mean = mean + (1 - now) * d / (1 - np.prod(factors[1 : t + 1]))
        w = w - lr * mean / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def radam(
    w, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False
):
    m, v, t, longest = 0.0, 0.0, 0, 2 / (1 - betas[1]) - 1
    while True:
        d, t = (yield w), t + 1
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            d = d + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        mean, power = m / (1 - betas[0] ** t), betas[1] ** t
        length = longest - 2 * t * power / (1 - power)
        if length > 5:
            above = (length - 4) * (length - 2) * longest
            below = (longest - 4) * (longest - 2) * length
            mean = mean * np.sqrt(above / below) * np.sqrt(1 - power) / (np.sqrt(v) + eps)
        w = w - lr * mean


def rmsprop(w, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    v, g, b = 0.0, 0.0, 0.0
    while True:
        d = (yield w) + weight_decay * w
        v = alpha * v + (1 - alpha) * d**2
        g = alpha * g + (1 - alpha) * d
        b = momentum * b + d / (np.sqrt(v - g**2 if centered else v) + eps)
        w = w - lr * b


def adagrad(w, lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    s, t = initial_accumulator_value, 0
    while True:
        d, t = (yield w) + weight_decay * w, t + 1
        s = s + d**2
        w = w - lr / (1 + (t - 1) * lr_decay) * d / (np.sqrt(s) + eps)


def adadelta(w, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    v, u = 0.0, 0.0
    while True:
        d = (yield w) + weight_decay * w
        v = rho * v + (1 - rho) * d**2
        change = np.sqrt(u + eps) / np.sqrt(v + eps) * d
        u = rho * u + (1 - rho) * change**2
        w = w - lr * change


def lion(w, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    m = 0.0
    while True:
        d = yield w
        w = w - lr * (np.sign(betas[0] * m + (1 - betas[0]) * d) + weight_decay * w)
        m = betas[1] * m + (1 - betas[1]) * d


def rprop(w, lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    size, last = np.full(np.shape(w), lr), np.zeros(np.shape(w))
    while True:
        d = yield w
        for i in np.ndindex(np.shape(w)):
            agree = d[i] * last[i]
            size[i] *= etas[1] if agree > 0 else etas[0] if agree < 0 else 1
            size[i] = min(max(size[i], step_sizes[0]), step_sizes[1])
            last[i] = 0 if agree < 0 else d[i]
        w = w - np.sign(last) * size


def asgd(w, lr=0.01, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    t = 0
    while True:
        d = (yield w) + weight_decay * w
        eta = lr / (1 + lambd * lr * t) ** alpha
        w, t = w - lambd * eta * w - eta * d, t + 1


def grid(**choices):
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


BETAS = [(0.8, 0.95), (0.0, 0.5)]
DECAYS = [0.0, 0.1]
BOTH = [False, True]
FORMULAS = {
    optim.SGD: (sgd, [
        *grid(lr=[0.05], momentum=[0.0, 0.9], dampening=[0.0, 0.4], weight_decay=DECAYS),
        *grid(lr=[0.05], momentum=[0.9], weight_decay=DECAYS, nesterov=[True]),
    ]),
    optim.Adam: (adam, grid(lr=[0.05], betas=BETAS, eps=[1e-8, 1e-2], weight_decay=DECAYS,
                            amsgrad=BOTH, decoupled_weight_decay=BOTH)),
    optim.AdamW: (adamw, grid(lr=[0.05], betas=BETAS, weight_decay=DECAYS, amsgrad=BOTH)),
    optim.Adamax: (adamax, grid(lr=[0.05], betas=BETAS, eps=[1e-8, 1e-2], weight_decay=DECAYS)),
    optim.NAdam: (nadam, grid(lr=[0.05], betas=BETAS, weight_decay=DECAYS,
                              momentum_decay=[0.004, 0.2], decoupled_weight_decay=BOTH)),
    optim.RAdam: (radam, grid(lr=[0.05], betas=[*BETAS, (0.9, 0.999)], weight_decay=DECAYS,
                              decoupled_weight_decay=BOTH)),
    optim.RMSprop: (rmsprop, grid(lr=[0.02], alpha=[0.9], eps=[1e-3], weight_decay=DECAYS,
                                  momentum=[0.0, 0.8], centered=BOTH)),
    optim.Adagrad: (adagrad, grid(lr=[0.1], lr_decay=[0.0, 0.1], weight_decay=DECAYS,
                                  initial_accumulator_value=[0.0, 0.5])),
    optim.Adadelta: (adadelta, grid(lr=[0.5], rho=[0.5, 0.9], eps=[1e-3], weight_decay=DECAYS)),
    optim.Lion: (lion, grid(lr=[0.01], betas=BETAS, weight_decay=[0.0, 1.0])),
    optim.Rprop: (rprop, grid(lr=[0.05], etas=[(0.5, 1.2), (0.1, 3)], step_sizes=[(1e-3, 0.2)])),
    optim.ASGD: (asgd, grid(lr=[0.05], lambd=[0.1], alpha=[0.5, 0.75], weight_decay=DECAYS)),
}  # fmt: skip
CASES = [
    (optimiser, formula, options)
    for optimiser, (formula, cases) in FORMULAS.items()
    for options in [{}, *cases]
]
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


@pytest.mark.parametrize("maximize", BOTH)
@pytest.mark.parametrize("dtype", TOLERANCE)
@each(case=CASES)
def test_the_formula(case, dtype, maximize):
    optimiser, formula, options = case
    rng = np.random.default_rng(3)
    parameter = Tensor(rng.standard_normal((3, 4)), dtype=dtype, requires_grad=True)
    optimizer = optimiser([parameter], maximize=maximize, **options)
    expected = formula(parameter.data.astype(np.float64), **options)
    next(expected)
    for _ in range(STEPS):
        gradient = rng.standard_normal((3, 4)).astype(dtype)
        parameter.grad = Tensor(gradient)
        optimizer.step()
        should = expected.send((-1 if maximize else 1) * gradient.astype(np.float64))
        np.testing.assert_allclose(
            parameter.data, should, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )


@pytest.mark.parametrize("optimiser", FORMULAS)
def test_the_defaults_are_those_of_the_formula(optimiser):
    """So that the case without options compares the defaults too."""
    ours, plain = (
        {p.name: p.default for p in inspect.signature(f).parameters.values()}
        for f in (optimiser, FORMULAS[optimiser][0])
    )
    del ours["params"], ours["maximize"], ours["check_finite"], plain["w"]
    assert ours == plain


@each(case=CASES)
def test_a_float16_parameter_is_rounded_once(case):
    """Each step is the formula in float32 on the float16 values, rounded to the nearest."""
    optimiser, formula, options = case
    rng = np.random.default_rng(5)
    parameter = Tensor(rng.standard_normal(50), dtype=np.float16, requires_grad=True)
    optimizer = optimiser([parameter], **options)
    gradients = rng.standard_normal((STEPS, 50)).astype(np.float16)
    steps = formula(parameter.data.astype(np.float64), **options)
    next(steps)
    for gradient in gradients:
        parameter.grad = Tensor(gradient)
        optimizer.step()
        exact = steps.send(gradient.astype(np.float64))
        half_a_unit = np.spacing(np.abs(parameter.data)).astype(np.float64) / 2
        assert np.all(np.abs(parameter.data - exact) <= half_a_unit + 1e-5)
        exact[...] = parameter.data  # the formula goes on from the rounded values
    kept = [array for array in optimizer.state[parameter].values() if array.ndim]
    assert all(array.dtype == np.float32 for array in kept)


def test_steps_that_shrink_beyond_any_float_are_0():
    parameter = Tensor([1.0], requires_grad=True)
    parameter.grad = Tensor([1.0])
    optimizer = optim.ASGD([parameter], lr=0.5, lambd=0.0625, alpha=1e18)
    for _ in range(3):
        optimizer.step()
    assert parameter.item() == (1 - 0.0625 * 0.5) - 0.5


def test_asgd_keeps_the_mean_of_the_parameters_since_t0():
    """The mean begins anew until t0: of the update after it, and of all that follow."""
    rng = np.random.default_rng(6)
    parameter = Tensor(rng.standard_normal(5), dtype=np.float64, requires_grad=True)
    optimizer = optim.ASGD([parameter], lr=0.1, t0=3)
    seen = []
    for step in range(1, 10):
        parameter.grad = Tensor(rng.standard_normal(5))
        optimizer.step()
        seen.append(parameter.data.copy())
        since = seen[4:] if step > 4 else seen[-1:]
        np.testing.assert_allclose(optimizer.state[parameter]["ax"], np.mean(since, axis=0))
