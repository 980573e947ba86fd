"""Distributions beside PyTorch's: values, gradients, second order, divergences, shapes."""

import numpy as np
import pytest
from parity.beside_torch import check, same

import nn.distributions as ours
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
theirs = torch.distributions
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(6)


def reals(*shape):
    return RNG.standard_normal(shape)


def positive(*shape):
    return RNG.uniform(0.3, 2.0, shape)


def lower(*shape):
    return np.tril(RNG.standard_normal((*shape, shape[-1])), -1) + np.eye(shape[-1]) * 0.7


def covariance(*shape):
    root = RNG.standard_normal((*shape, shape[-1]))
    return root @ root.mT + np.eye(shape[-1])


def simplex(*shape):
    p = RNG.uniform(0.1, 1.0, shape)
    return p / p.sum(-1, keepdims=True)


def lift(matrix):
    """Symmetric, or lower triangular with a positive diagonal, whatever direction is added."""
    return (matrix + matrix.mT) * 0.5


# The class and the names of its arguments, these arguments, and values
CASES = {
    "Normal": ("Normal", ("loc", "scale"), (reals(4, 3), positive(3)), reals(2, 4, 3)),
    "Normal of one": ("Normal", ("loc", "scale"), (reals(), positive()), reals()),
    "Laplace": ("Laplace", ("loc", "scale"), (reals(3), positive(4, 1)), reals(4, 3)),
    "Exponential": ("Exponential", ("rate",), (positive(3),), positive(5, 3)),
    "Uniform": ("Uniform", ("low", "high"), (-positive(3), positive(3)), reals(2, 3) * 0.1),
    "Bernoulli probs": ("Bernoulli", ("probs",), (RNG.uniform(0.1, 0.9, (4, 3)),), np.ones(3)),
    "Bernoulli logits": ("Bernoulli", ("logits",), (reals(4, 3),), np.zeros((4, 1))),
    "Categorical probs": ("Categorical", ("probs",), (positive(4, 3),), np.array([0, 2, 1, 1])),
    "Categorical logits": ("Categorical", ("logits",), (reals(2, 3, 5),), np.array([[4], [0]])),
    "Categorical of one": ("Categorical", ("logits",), (reals(5),), np.arange(5).reshape(5, 1)),
    "covariance": (
        "MultivariateNormal",
        ("loc", "covariance_matrix"),
        (reals(4, 3), covariance(3)),
        reals(2, 4, 3),
    ),
    "batch of covariances": (
        "MultivariateNormal",
        ("loc", "covariance_matrix"),
        (reals(3), covariance(2, 3)),
        reals(5, 2, 3),
    ),
    "precision": (
        "MultivariateNormal",
        ("loc", "precision_matrix"),
        (reals(2, 3), covariance(2, 3)),
        reals(2, 3),
    ),
    "scale_tril": (
        "MultivariateNormal",
        ("loc", "scale_tril"),
        (reals(2), lower(4, 2)),
        reals(4, 2),
    ),
}
cases = pytest.mark.parametrize(("kind", "names", "given", "value"), CASES.values(), ids=CASES)


def makers(kind, names):
    """The distribution of the arguments, ours and theirs."""

    def make(module):
        def made(*given):
            options = dict(zip(names, given, strict=True))
            for name in ("covariance_matrix", "precision_matrix"):
                if name in options:
                    options[name] = lift(options[name])
            if "scale_tril" in options:
                options["scale_tril"] = options["scale_tril"].tril()
            return getattr(module, kind)(**options)

        return made

    return make(ours), make(theirs)


@cases
def test_log_prob(kind, names, given, value):
    mine, other = makers(kind, names)
    if value.dtype.kind == "i" or kind in ("Bernoulli", "Uniform"):
        check(
            lambda *p: mine(*p).log_prob(Tensor(value)),
            lambda *p: other(*p).log_prob(torch.tensor(value)),
            *given,
        )
    else:
        check(
            lambda x, *p: mine(*p).log_prob(x), lambda x, *p: other(*p).log_prob(x), value, *given
        )


@cases
def test_entropy(kind, names, given, value):
    mine, other = makers(kind, names)
    check(lambda *p: mine(*p).entropy(), lambda *p: other(*p).entropy(), *given)
    check(lambda *p: mine(*p).perplexity(), lambda *p: other(*p).perplexity(), *given)


@cases
def test_moments_and_shapes(kind, names, given, value):
    mine, other = makers(kind, names)
    a, b = mine(*map(Tensor, given)), other(*map(torch.tensor, given))
    for name in ("mean", "variance", "stddev", "mode", *names):
        same(getattr(a, name), getattr(b, name), name)
    assert a.batch_shape == tuple(b.batch_shape)
    assert a.event_shape == tuple(b.event_shape)
    assert a.has_rsample == b.has_rsample
    assert a.has_enumerate_support == b.has_enumerate_support
    for shape in ((), (2,), (3, 1)):
        assert a.sample(shape).shape == tuple(b.sample(shape).shape)
        if a.has_rsample:
            assert a.rsample(shape).shape == tuple(b.rsample(shape).shape)
    wide = (2, *a.batch_shape)
    for name in ("sample", "entropy", "perplexity"):
        found, expected = (getattr(d.expand(wide), name)() for d in (a, b))
        assert found.shape == tuple(expected.shape)
    if kind == "MultivariateNormal":
        for name in ("covariance_matrix", "precision_matrix", "scale_tril"):
            same(getattr(a, name), getattr(b, name), name)
    if a.has_enumerate_support:
        for expand in (True, False):
            same(a.enumerate_support(expand), b.enumerate_support(expand), "enumerate_support")
        assert a.param_shape == tuple(b.param_shape)
        other_name = "logits" if names == ("probs",) else "probs"
        same(getattr(a, other_name), getattr(b, other_name), other_name)


@pytest.mark.parametrize("kind", ["Normal", "Laplace", "Exponential", "Uniform"])
def test_cdf_and_icdf(kind):
    _, names, given, value = CASES[kind]
    mine, other = makers(kind, names)
    check(lambda x, *p: mine(*p).cdf(x), lambda x, *p: other(*p).cdf(x), value, *given)
    p = RNG.uniform(0.05, 0.95, (6, 1, 1))
    check(lambda x, *p: mine(*p).icdf(x), lambda x, *p: other(*p).icdf(x), p, *given)


@pytest.mark.parametrize(
    ("kind", "names", "p", "q"),
    [
        ("Normal", ("loc", "scale"), (reals(4, 3), positive(3)), (reals(3), positive(4, 1))),
        ("Laplace", ("loc", "scale"), (reals(4, 3), positive(3)), (reals(3), positive(4, 1))),
        ("Exponential", ("rate",), (positive(4, 3),), (positive(3),)),
        ("Uniform", ("low", "high"), (-positive(4), positive(4)), (-3 * positive(4), 9 + reals(4))),
        (
            "Bernoulli",
            ("probs",),
            (RNG.uniform(0.1, 0.9, (2, 3)),),
            (RNG.uniform(0.1, 0.9, (2, 3)),),
        ),
        ("Bernoulli", ("logits",), (reals(3),), (reals(3),)),
        ("Categorical", ("probs",), (simplex(2, 4),), (simplex(4),)),
        ("Categorical", ("logits",), (reals(4),), (reals(2, 4),)),
        (
            "MultivariateNormal",
            ("loc", "covariance_matrix"),
            (reals(3), covariance(3)),
            (reals(2, 3), covariance(3)),
        ),
        (
            "MultivariateNormal",
            ("loc", "scale_tril"),
            (reals(2, 3), lower(2, 3)),
            (reals(3), lower(2, 3)),
        ),
    ],
)
def test_divergences(kind, names, p, q):
    mine, other = makers(kind, names)
    count = len(names)
    check(
        lambda *t: ours.kl_divergence(mine(*t[:count]), mine(*t[count:])),
        lambda *t: theirs.kl_divergence(other(*t[:count]), other(*t[count:])),
        *p,
        *q,
    )


def test_divergences_at_the_edges():
    zero = np.array([[0.0, 0.5, 0.5], [0.2, 0.8, 0.0]])
    for kind, p, q in [
        ("Categorical", zero, zero[::-1].copy()),
        ("Categorical", zero, zero),
        ("Bernoulli", np.array([0.0, 1.0, 0.5, 0.0]), np.array([0.0, 0.5, 1.0, 1.0])),
        ("Uniform", np.array([0.0, 1.0]), np.array([0.5, -1.0])),
    ]:
        a, b = ((p, q), (q, p))
        if kind == "Uniform":
            a, b = ((p, p + 1), (q, q + 3))
        else:
            a, b = ((p,), (q,))
        same(
            ours.kl_divergence(
                getattr(ours, kind)(*map(Tensor, a)), getattr(ours, kind)(*map(Tensor, b))
            ),
            theirs.kl_divergence(
                getattr(theirs, kind)(*map(torch.tensor, a)),
                getattr(theirs, kind)(*map(torch.tensor, b)),
            ),
            kind,
        )


def test_probabilities_of_0_and_1():
    p = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])
    check(
        lambda t: ours.Categorical(t).log_prob(Tensor([[0], [1], [2]])),
        lambda t: theirs.Categorical(t).log_prob(torch.tensor([[0], [1], [2]])),
        p,
    )
    check(lambda t: ours.Categorical(t).entropy(), lambda t: theirs.Categorical(t).entropy(), p)
    check(
        lambda t: ours.Bernoulli(t).log_prob(Tensor([[[1.0]], [[0.0]]], dtype=np.float64)),
        lambda t: theirs.Bernoulli(t).log_prob(torch.tensor([[[1.0]], [[0.0]]]).double()),
        p,
    )


@pytest.mark.parametrize("count", range(4))
def test_independent(count):
    loc, scale, value = reals(2, 3, 4), positive(4), reals(5, 2, 3, 4)
    check(
        lambda x, a, b: ours.Independent(ours.Normal(a, b), count).log_prob(x),
        lambda x, a, b: theirs.Independent(theirs.Normal(a, b), count).log_prob(x),
        value,
        loc,
        scale,
    )
    pairs = [
        module.Independent(module.Normal(tensor(loc), tensor(scale)), count)
        for module, tensor in ((ours, Tensor), (theirs, torch.tensor))
    ]
    assert pairs[0].batch_shape == tuple(pairs[1].batch_shape)
    assert pairs[0].event_shape == tuple(pairs[1].event_shape)
    same(pairs[0].entropy(), pairs[1].entropy(), "entropy")
    same(ours.kl_divergence(pairs[0], pairs[0]), theirs.kl_divergence(pairs[1], pairs[1]), "kl")
