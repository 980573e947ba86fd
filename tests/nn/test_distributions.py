"""Distributions beside SciPy's: densities, entropies, draws; divergences by integration; errors."""

import copy
import math
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import integrate, stats

import nn
from nn.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Exponential,
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    Uniform,
    kl_divergence,
    register_kl,
)
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

LOC = np.array([[-1.5], [0.0], [20.0]])
SCALE = np.array([0.01, 1.0, 7.0])
LOW, HIGH = np.array([-3.0, 0.0]), np.array([-2.5, 1e3])
COVARIANCE = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
MEAN = np.array([1.0, -2.0, 0.5])

CONTINUOUS = {
    "Normal": (Normal(LOC, SCALE), stats.norm(LOC, SCALE)),
    "Laplace": (Laplace(LOC, SCALE), stats.laplace(LOC, SCALE)),
    "Exponential": (Exponential(SCALE), stats.expon(scale=1 / SCALE)),
    "Uniform": (Uniform(LOW, HIGH), stats.uniform(LOW, HIGH - LOW)),
}
both = pytest.mark.parametrize(("ours", "theirs"), CONTINUOUS.values(), ids=CONTINUOUS)


def values(theirs):
    """Values from far in one tail to far in the other."""
    points = np.array([1e-9, 1e-3, 0.2, 0.5, 0.77, 0.999, 1 - 1e-9])
    return theirs.ppf(points.reshape(-1, *(1,) * np.ndim(theirs.mean())))


@both
def test_densities_and_probabilities_are_scipys(ours, theirs):
    x = values(theirs)
    np.testing.assert_allclose(ours.log_prob(x).data, theirs.logpdf(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.cdf(x).data, theirs.cdf(x), rtol=1e-12, atol=1e-15)
    p = theirs.cdf(x)
    np.testing.assert_allclose(ours.icdf(p).data, theirs.ppf(p), rtol=1e-12, atol=1e-13)
    assert ours.log_prob(x).dtype == np.float64


@both
def test_moments_and_entropies_are_scipys(ours, theirs):
    shape = ours.batch_shape
    for name, expected in [
        ("mean", theirs.mean()),
        ("variance", theirs.var()),
        ("stddev", theirs.std()),
    ]:
        found = getattr(ours, name)
        np.testing.assert_allclose(found.data, np.broadcast_to(expected, shape), rtol=1e-12)
    entropy = np.broadcast_to(theirs.entropy(), shape)
    np.testing.assert_allclose(ours.entropy().data, entropy, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ours.perplexity().data, np.exp(entropy), rtol=1e-12)


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_pass_kolmogorov_and_smirnov(ours, theirs, dtype):
    Tensor.manual_seed(7)
    narrow = type(ours)(**{name: vars(ours)[name].cast(dtype) for name in ours.parameters})
    for draws in (narrow.sample((2000,)), narrow.rsample((2000,)).detach()):
        assert draws.dtype == dtype
        assert draws.shape == (2000, *ours.batch_shape)
        for index in np.ndindex(*ours.batch_shape):
            cell = [np.broadcast_to(a, ours.batch_shape)[index] for a in theirs.args]
            options = {
                key: np.broadcast_to(a, ours.batch_shape)[index] for key, a in theirs.kwds.items()
            }
            one = theirs.dist(*cell, **options)
            test = stats.kstest(draws.data[(slice(None), *index)].astype(float), one.cdf)
            assert test.pvalue > 1e-3, index


@both
def test_derivatives(ours, theirs):
    given = [vars(ours)[name].detach() for name in ours.parameters]
    x = Tensor(values(theirs)[1:-1].copy() + 1e-4)
    y = Tensor(np.linspace(0.1, 0.7, 4).reshape(4, *(1,) * len(ours.batch_shape)))
    kind = type(ours)

    def log_prob(x, *given):
        return kind(*given, validate_args=False).log_prob(x)

    inputs = [Tensor(t.data, requires_grad=True) for t in (x, *given)]
    if kind is Uniform:
        assert gradcheck(lambda *given: log_prob(x, *given), inputs[1:])
    else:
        assert gradcheck(log_prob, inputs)
        assert gradgradcheck(log_prob, inputs)
    points = [Tensor(t.data, requires_grad=True) for t in (y, *given)]
    assert gradcheck(lambda y, *given: kind(*given).icdf(y), points)
    away = [Tensor(y.data + 0.05, requires_grad=True), *points[1:]]  # from the kink of Laplace's
    assert gradgradcheck(lambda y, *given: kind(*given).icdf(y), away)
    assert gradcheck(lambda *given: kind(*given).entropy(), inputs[1:])
    if kind is not Uniform:
        assert gradcheck(lambda x, *given: kind(*given).cdf(x), inputs)


def test_a_reparameterised_draw_has_the_gradients_of_its_formula():
    loc, scale = Tensor([1.0, 2.0], requires_grad=True), Tensor([0.5, 3.0], requires_grad=True)
    Tensor.manual_seed(3)
    draws = Normal(loc, scale).rsample((4,))
    noise = (draws.data - loc.data) / scale.data
    draws.sum().backward()
    np.testing.assert_allclose(loc.grad.data, [4.0, 4.0])
    np.testing.assert_allclose(scale.grad.data, noise.sum(0), rtol=1e-5)
    assert not Normal(loc, scale).sample().requires_grad
    Tensor.manual_seed(3)
    assert np.array_equal(Normal(loc, scale).sample((4,)).data, draws.data)


def test_quantiles_of_the_normal_distribution_far_into_the_tails():
    p = np.concatenate([np.geomspace(1e-300, 0.5, 200), 1 - np.geomspace(1e-15, 0.5, 100)])
    standard = Normal(Tensor(0.0, dtype=np.float64), 1.0)
    np.testing.assert_allclose(standard.icdf(p).data, stats.norm.ppf(p), rtol=2e-15, atol=1e-15)
    edges = standard.icdf(np.array([0.0, 1.0, -0.1, 1.1])).data
    np.testing.assert_array_equal(edges, [-np.inf, np.inf, np.nan, np.nan])
    narrow = Normal(0.0, 1.0).icdf(np.float32([0.25, 1e-30]))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow.data, stats.norm.ppf(np.float32([0.25, 1e-30])), rtol=1e-6)


# Discrete

PROBS = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.0, 0.3, 0.0], [1e-9, 0.5, 0.25, 0.25 - 1e-9]])


@pytest.mark.parametrize("given", ["probs", "logits"])
def test_categorical_is_scipys(given):
    with np.errstate(divide="ignore"):
        options = {"probs": PROBS * 3} if given == "probs" else {"logits": np.log(PROBS) + 5}
    ours = Categorical(**options)
    np.testing.assert_allclose(ours.probs.data, PROBS, rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(ours.entropy().data, stats.entropy(PROBS, axis=1), rtol=1e-12)
    for row, probs in enumerate(PROBS):
        theirs = stats.rv_discrete(values=(range(4), probs))
        possible = np.flatnonzero(probs)
        found = Categorical(**{given: options[given][row]}).log_prob(Tensor(possible))
        np.testing.assert_allclose(found.data, theirs.logpmf(possible), rtol=1e-12, atol=1e-12)
    assert ours.mode.tolist() == [3, 0, 1]
    assert np.isnan(ours.mean.data).all()
    assert np.isnan(ours.variance.data).all()
    assert ours.enumerate_support().tolist() == [[k] * 3 for k in range(4)]
    assert ours.enumerate_support(expand=False).shape == (4, 1)


@pytest.mark.parametrize("given", ["probs", "logits"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_of_classes_pass_chi_square(given, dtype):
    Tensor.manual_seed(11)
    with np.errstate(divide="ignore"):
        array = PROBS if given == "probs" else np.log(PROBS)
    draws = Categorical(**{given: array.astype(dtype)}).sample((3, 2000))
    assert draws.dtype == np.int64
    assert draws.shape == (3, 2000, 3)
    for row, probs in enumerate(PROBS[:2]):
        counts = np.bincount(draws.data[..., row].ravel(), minlength=4)
        assert not counts[probs == 0].any()
        assert stats.chisquare(counts[probs > 0], 6000 * probs[probs > 0]).pvalue > 1e-3


def test_bernoulli_is_scipys():
    probs = np.array([0.25, 1e-12, 0.5, 1 - 1e-9])
    x = np.array([[0.0], [1.0]])
    theirs = stats.bernoulli(probs)
    for ours in (Bernoulli(probs), Bernoulli(logits=np.log(probs) - np.log1p(-probs))):
        np.testing.assert_allclose(ours.log_prob(x).data, theirs.logpmf(x), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.entropy().data, theirs.entropy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.variance.data, theirs.var(), rtol=1e-6)
        np.testing.assert_allclose(ours.mean.data, probs, rtol=1e-12)
        assert ours.enumerate_support().tolist() == [[0.0] * 4, [1.0] * 4]
    Tensor.manual_seed(5)
    draws = Bernoulli(probs).sample((4000,))
    assert draws.dtype == np.float64
    assert stats.binomtest(int(draws.data[:, 0].sum()), 4000, 0.25).pvalue > 1e-3
    np.testing.assert_array_equal(Bernoulli([0.2, 0.5, 0.7][1]).mode.data, np.nan)
    assert Bernoulli(np.array([0.2, 0.7])).mode.tolist() == [0.0, 1.0]


def test_logits_keep_the_digits_that_probabilities_lose():
    ours = Bernoulli(logits=np.array([800.0, -800.0]))
    assert ours.log_prob(np.array([0.0, 1.0])).tolist() == [-800.0, -800.0]
    assert ours.log_prob(np.array([1.0, 0.0])).tolist() == [0.0, 0.0]
    assert Categorical(logits=np.array([0.0, -900.0])).log_prob(1).item() == -900.0


def test_derivatives_of_discrete_distributions():
    rng = np.random.default_rng(2)
    logits = Tensor(rng.standard_normal((3, 4)), requires_grad=True)
    probs = Tensor(rng.uniform(0.1, 0.9, (3, 4)), requires_grad=True)
    classes = Tensor([[3, 0, 2], [1, 1, 0]])
    for check in (gradcheck, gradgradcheck):
        assert check(lambda t: Categorical(logits=t).log_prob(classes), [logits])
        assert check(lambda t: Categorical(probs=t).log_prob(classes), [probs])
        assert check(lambda t: Categorical(logits=t).entropy(), [logits])
        assert check(lambda t: Categorical(probs=t).entropy(), [probs])
        assert check(lambda t: Bernoulli(logits=t).log_prob(1.0), [logits])
        assert check(lambda t: Bernoulli(probs=t).log_prob(0.0), [probs])
        assert check(lambda t: Bernoulli(probs=t).entropy(), [probs])


def test_masked_classes_have_finite_gradients():
    logits = Tensor([[0.5, -np.inf, 1.0]], dtype=np.float64, requires_grad=True)
    policy = Categorical(logits=logits)
    (policy.entropy() + policy.log_prob(Tensor([2]))).sum().backward()
    assert np.isfinite(logits.grad.data).all()
    assert logits.grad.data[0, 1] == 0
    certain = Tensor([1.0, 0.0], requires_grad=True)
    (Categorical(certain).entropy() + Categorical(certain).log_prob(1)).backward()
    assert np.isfinite(certain.grad.data).all()


# Vectors


def multivariate(**dtype):
    lower = np.linalg.cholesky(COVARIANCE)
    return [
        MultivariateNormal(MEAN, COVARIANCE),
        MultivariateNormal(MEAN, precision_matrix=np.linalg.inv(COVARIANCE)),
        MultivariateNormal(MEAN, scale_tril=lower),
    ]


@pytest.mark.parametrize("ours", multivariate(), ids=["covariance", "precision", "lower"])
def test_multivariate_normal_is_scipys(ours):
    theirs = stats.multivariate_normal(MEAN, COVARIANCE)
    x = np.random.default_rng(1).standard_normal((2, 5, 3)) * 3
    np.testing.assert_allclose(ours.log_prob(x).data, theirs.logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(ours.log_prob(x[0, 0]).data, theirs.logpdf(x[0, 0]), rtol=1e-12)
    assert ours.entropy().item() == pytest.approx(theirs.entropy(), rel=1e-12)
    np.testing.assert_allclose(ours.variance.data, np.diag(COVARIANCE), rtol=1e-12)
    np.testing.assert_allclose(ours.covariance_matrix.data, COVARIANCE, atol=1e-12)
    np.testing.assert_allclose(ours.precision_matrix.data, np.linalg.inv(COVARIANCE), atol=1e-12)
    np.testing.assert_allclose(ours.scale_tril.data, np.linalg.cholesky(COVARIANCE), atol=1e-12)
    assert (ours.batch_shape, ours.event_shape) == ((), (3,))
    Tensor.manual_seed(2)
    draws = ours.sample((2000,)).data
    for direction in [*np.eye(3).tolist(), [1.0, -1.0, 2.0], [-0.5, 2.0, 1.0]]:
        line = stats.norm(direction @ MEAN, np.sqrt(direction @ COVARIANCE @ direction))
        assert stats.kstest(draws @ direction, line.cdf).pvalue > 1e-3


def test_batches_of_vectors_broadcast():
    rng = np.random.default_rng(4)
    means = rng.standard_normal((4, 1, 3))
    roots = rng.standard_normal((2, 3, 3))
    matrices = roots @ roots.mT + np.eye(3)
    ours = MultivariateNormal(means, matrices)
    assert ours.batch_shape == (4, 2)
    assert ours.sample((5,)).shape == (5, 4, 2, 3)
    assert ours.scale_tril.shape == (4, 2, 3, 3)
    assert ours.entropy().shape == (4, 2)
    x = rng.standard_normal((6, 1, 1, 3))
    found = ours.log_prob(x).data
    assert found.shape == (6, 4, 2)
    for i, j, k in np.ndindex(6, 4, 2):
        expected = stats.multivariate_normal(means[j, 0], matrices[k]).logpdf(x[i, 0, 0])
        assert found[i, j, k] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_derivatives_of_vectors(name):
    lower = np.linalg.cholesky(COVARIANCE)
    matrix = Tensor(lower if name == "scale_tril" else COVARIANCE, requires_grad=True)
    mean, x = (Tensor(MEAN * k, requires_grad=True) for k in (1.0, -0.4))

    def made(mean, matrix):
        if name == "scale_tril":
            return MultivariateNormal(mean, scale_tril=matrix.tril())
        return MultivariateNormal(mean, **{name: (matrix + matrix.mT) * 0.5})

    for check in (gradcheck, gradgradcheck):
        assert check(lambda x, m, c: made(m, c).log_prob(x), [x, mean, matrix])
        assert check(lambda c: made(mean.detach(), c).entropy(), [matrix])
    other = MultivariateNormal(MEAN * 0.5, scale_tril=2 * lower)
    assert gradcheck(lambda m, c: kl_divergence(made(m, c), other), [mean, matrix])
    assert gradcheck(lambda m, c: kl_divergence(other, made(m, c)), [mean, matrix])


def test_independent_sums_over_the_last_axes():
    base = Normal(np.zeros((2, 3, 4)), np.arange(1.0, 5.0))
    for count, batch, event in [(0, (2, 3, 4), ()), (1, (2, 3), (4,)), (3, (), (2, 3, 4))]:
        ours = Independent(base, count)
        assert (ours.batch_shape, ours.event_shape) == (batch, event)
        assert ours.has_rsample
        assert ours.sample((5,)).shape == (5, 2, 3, 4)
        x = np.random.default_rng(count).standard_normal((5, 2, 3, 4))
        expected = stats.norm(0, np.arange(1.0, 5.0)).logpdf(x)
        axes = tuple(range(4 - count, 4))
        np.testing.assert_allclose(ours.log_prob(x).data, expected.sum(axes), rtol=1e-12)
        assert ours.entropy().shape == batch
    flat = Independent(Normal(MEAN, np.array([1.0, 2.0, 3.0])), 1)
    full = MultivariateNormal(MEAN, np.diag([1.0, 4.0, 9.0]))
    assert flat.log_prob(MEAN + 1).item() == pytest.approx(full.log_prob(MEAN + 1).item())
    assert repr(flat) == "Independent(Normal(loc: (3,), scale: (3,)), 1)"
    assert not Independent(Bernoulli(np.array([0.5])), 1).has_rsample


# Divergences


def integrated(p, q, low, high):
    def integrand(x):
        a, b = (d.log_prob(Tensor(x, dtype=np.float64)).item() for d in (p, q))
        return math.exp(a) * (a - b)

    return integrate.quad(integrand, low, high, points=[0.3], epsabs=1e-12)[0]


def one(kind, *values):
    return kind(*[Tensor(value, dtype=np.float64) for value in values], validate_args=False)


@pytest.mark.parametrize(
    ("p", "q", "low", "high"),
    [
        (one(Normal, 0.5, 1.2), one(Normal, -0.3, 0.7), -15, 15),
        (one(Laplace, 0.3, 0.4), one(Laplace, 0.9, 1.1), -15, 15),
        (one(Exponential, 1.5), one(Exponential, 0.4), 0, 30),
        (one(Uniform, 0.2, 0.9), one(Uniform, -1.0, 1.5), 0.2, 0.9),
    ],
)
def test_divergences_are_the_integral(p, q, low, high):
    found = kl_divergence(p, q).item()
    assert found == pytest.approx(integrated(p, q, low, high), rel=1e-8)
    assert kl_divergence(p, p).item() == pytest.approx(0.0, abs=1e-15)


def test_divergences_of_discrete_distributions_are_sums():
    p, q = PROBS[0], PROBS[2]
    expected = stats.entropy(p, q)
    assert kl_divergence(Categorical(p), Categorical(q)).item() == pytest.approx(expected)
    logits = kl_divergence(Categorical(logits=np.log(p)), Categorical(logits=np.log(q)))
    assert logits.item() == pytest.approx(expected)
    assert kl_divergence(Categorical(p), Categorical(PROBS[1])).item() == math.inf
    assert kl_divergence(Categorical(PROBS[1]), Categorical(p)).item() == pytest.approx(
        stats.entropy(PROBS[1], p)
    )
    a, b = np.array([0.2, 0.0, 1.0, 0.5, 0.5]), np.array([0.7, 0.5, 0.5, 1.0, 0.0])
    pairs = [np.stack([c, 1 - c], axis=-1) for c in (a, b)]
    np.testing.assert_allclose(
        kl_divergence(Bernoulli(a), Bernoulli(b)).data, stats.entropy(*pairs, axis=-1), rtol=1e-12
    )


def test_divergences_of_vectors():
    q = MultivariateNormal(np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    p = multivariate()[0]
    ratio = np.linalg.det(np.diag([1.0, 2.0, 3.0])) / np.linalg.det(COVARIANCE)
    inverse = np.diag([1.0, 0.5, 1 / 3])
    expected = (np.trace(inverse @ COVARIANCE) + MEAN @ inverse @ MEAN - 3 + np.log(ratio)) / 2
    assert kl_divergence(p, q).item() == pytest.approx(expected, rel=1e-12)
    rows = [Independent(Normal(MEAN * k, np.array([1.0, 2.0, 3.0])), 1) for k in (1.0, 3.0)]
    full = [MultivariateNormal(MEAN * k, np.diag([1.0, 4.0, 9.0])) for k in (1.0, 3.0)]
    assert kl_divergence(*rows).item() == pytest.approx(kl_divergence(*full).item(), rel=1e-12)


def test_a_divergence_of_your_own():
    class Shifted(Normal):
        pass

    assert kl_divergence(Shifted(0.0, 1.0), Normal(0.0, 1.0)).item() == 0.0

    @register_kl(Shifted, Uniform)
    def formula(p, q):
        return p.loc + q.high

    assert kl_divergence(Shifted(1.0, 1.0), Uniform(0.0, 2.0)).item() == 3.0
    with pytest.raises(NotImplementedError, match="no formula for Normal and Uniform"):
        kl_divergence(Normal(0.0, 1.0), Uniform(0.0, 2.0))


# Shapes, dtypes, checks

EVERY = [
    *(ours for ours, _ in CONTINUOUS.values()),
    Bernoulli(PROBS),
    Bernoulli(logits=PROBS),
    Categorical(PROBS),
    Categorical(logits=PROBS),
    *multivariate(),
    Independent(Normal(np.zeros((2, 3)), 1.0), 1),
]


@pytest.mark.parametrize("ours", EVERY, ids=repr)
def test_expanded_pickled_and_copied_distributions_are_the_same(ours):
    draw = ours.sample()
    expected = ours.log_prob(draw).data
    wide = ours.expand((2, *ours.batch_shape))
    assert type(wide) is type(ours)
    assert wide.batch_shape == (2, *ours.batch_shape)
    assert wide.event_shape == ours.event_shape
    assert wide.sample((3,)).shape == (3, *wide.batch_shape, *wide.event_shape)
    assert np.array_equal(wide.log_prob(draw).data, np.broadcast_to(expected, wide.batch_shape))
    assert wide.entropy().shape == wide.batch_shape
    for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert np.array_equal(again.log_prob(draw).data, expected)
    assert ours.sample((0, 2)).shape == (0, 2, *ours.batch_shape, *ours.event_shape)
    assert ours.sample(3).shape == ours.sample([3]).shape


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype):
    ones = Tensor.ones(3, dtype=dtype)
    for ours in (Normal(ones, 1), Laplace(0.5, ones), Exponential(ones), Uniform(0, ones)):
        for found in (ours.sample(), ours.rsample((2,)), ours.log_prob(0.5), ours.entropy()):
            assert found.dtype == dtype
        assert ours.cdf(0.5).dtype == ours.icdf(0.5).dtype == ours.variance.dtype == dtype
        assert kl_divergence(ours, ours).dtype == dtype
    for ours in (Bernoulli(ones * 0.5), Categorical(ones), Categorical(logits=ones)):
        assert ours.log_prob(1).dtype == ours.entropy().dtype == dtype
    assert Normal(0, 1).sample().dtype == np.float32
    assert Normal(Tensor([0, 1]), Tensor([1, 1])).sample().dtype == np.float32


def test_a_class_is_exact_whatever_the_dtype_of_the_logits():
    logits = np.zeros(50_257, np.float16)
    logits[50_255] = 5.0
    policy = Categorical(logits=logits)
    found = policy.log_prob(np.array([50_255, 50_254, 50_256]))
    assert found.dtype == np.float16
    assert (found.data[1:] == found.data[0] - 5).all()


def test_without_checks_impossible_values_have_their_limits():
    assert Uniform(0.0, 2.0, validate_args=False).log_prob(3.0).item() == -math.inf
    assert Uniform(0.0, 2.0).log_prob(2.0).item() == -math.inf
    assert Uniform(0.0, 2.0, validate_args=False).cdf(np.array([-1.0, 9.0])).tolist() == [0, 1]
    Distribution.set_default_validate_args(False)
    try:
        assert np.isnan(Normal(0.0, 1.0).log_prob(math.nan).item())
    finally:
        Distribution.set_default_validate_args(True)


class Own(Distribution):
    pass


ERRORS = [
    (lambda: Normal(0.0, 0.0), "Normal: scale: expected numbers above 0; got 0.0"),
    (lambda: Normal(math.nan, 1.0), "Normal: loc: expected numbers, no nan; got nan"),
    (
        lambda: Normal(np.zeros(3), np.ones(2)),
        "Normal: the shapes do not broadcast: loc (3,) and scale (2,)",
    ),
    (
        lambda: Normal([0.0, 1.0], 1.0),
        "Normal: loc: expected a Tensor, an ndarray or a number; got [0.0, 1.0]",
    ),
    (
        lambda: Uniform(0.0, np.ones(2, np.longdouble)),
        "Uniform: high: expected a Tensor, an ndarray or a number; got ndarray of shape (2,), "
        + str(np.dtype(np.longdouble)),
    ),
    (lambda: Normal("0", 1.0), "Normal: loc: expected a Tensor, an ndarray or a number; got '0'"),
    (lambda: Normal(0, 1, 1), "Normal: validate_args: expected True or False; got 1"),
    (
        lambda: Normal(np.zeros(3), 1.0).log_prob(np.zeros(2)),
        "Normal: log_prob: value: the shapes do not broadcast: value (2,) and distribution (3,)",
    ),
    (
        lambda: Normal(0.0, 1.0).log_prob(math.nan),
        "Normal: log_prob: value: expected numbers, no nan; got nan",
    ),
    (
        lambda: Normal(0.0, 1.0).sample((-1,)),
        "Normal: sample_shape: expected an integer of 0 or more; got -1",
    ),
    (
        lambda: Normal(np.ma.masked_equal([1.0, 2.0], 1.0), 1.0),
        "Normal: loc: expected a Tensor, an ndarray or a number; got MaskedArray of shape (2,), "
        "float64",
    ),
    (
        lambda: Normal(np.zeros(3), 1.0).expand((2,)),
        "Normal: expand: batch_shape: (3,) does not broadcast to (2,)",
    ),
    (
        lambda: Normal(np.zeros(3), 1.0).sample(10**15),
        "Normal: sample_shape: (1000000000000000, 3) is more than an array can have",
    ),
    (lambda: Uniform(1.0, 1.0), "Uniform: high: expected numbers above low; got 1.0"),
    (
        lambda: Uniform(0.0, 1.0).log_prob(2.0),
        "Uniform: log_prob: value: expected numbers from low to high; got 2.0",
    ),
    (lambda: Exponential(-1.0), "Exponential: rate: expected numbers above 0; got -1.0"),
    (
        lambda: Exponential(1.0).cdf(-1.0),
        "Exponential: cdf: value: expected numbers of 0 or more; got -1.0",
    ),
    (lambda: Bernoulli(1.5), "Bernoulli: probs: expected numbers from 0 to 1; got 1.5"),
    (lambda: Bernoulli(), "Bernoulli: expected one of probs, logits; got none"),
    (
        lambda: Bernoulli(0.5, 0.5),
        "Bernoulli: expected one of probs, logits; got probs and logits",
    ),
    (
        lambda: Bernoulli(0.5).log_prob(0.5),
        "Bernoulli: log_prob: value: expected 0 or 1; got 0.5",
    ),
    (
        lambda: Bernoulli(0.5).rsample(),
        "Bernoulli has no rsample; use sample() and log_prob()",
    ),
    (lambda: Categorical(0.5), "Categorical: probs: expected shape (..., K); got ()"),
    (
        lambda: Categorical(np.array([0.5, -0.5])),
        "Categorical: probs: expected finite numbers of 0 or more; got -0.5",
    ),
    (
        lambda: Categorical(np.zeros((2, 2))),
        "Categorical: probs: expected one above 0 in each row; got all 0",
    ),
    (
        lambda: Categorical(logits=np.array([0.0, np.nan])),
        "Categorical: logits: expected a finite one in each row; got nan",
    ),
    (
        lambda: Categorical(np.ones(3)).log_prob(3),
        "Categorical: log_prob: value: expected a class from 0 to K - 1; got 3.0",
    ),
    (
        lambda: Categorical(np.ones((2, 3))).log_prob(np.zeros(3)),
        "Categorical: log_prob: value: the shapes do not broadcast: value (3,) and distribution "
        "(2,)",
    ),
    (
        lambda: MultivariateNormal(np.zeros(2), np.eye(3)),
        "MultivariateNormal: expected a loc of shape (..., n) and a covariance_matrix of shape "
        "(..., n, n); got (2,) and (3, 3)",
    ),
    (
        lambda: MultivariateNormal(np.zeros(2)),
        "MultivariateNormal: expected one of covariance_matrix, precision_matrix, scale_tril; "
        "got none",
    ),
    (
        lambda: MultivariateNormal(np.zeros(2), np.array([[1.0, 2.0], [0.0, 1.0]])),
        "MultivariateNormal: covariance_matrix: expected a symmetric matrix; write (a + a.mT) / 2",
    ),
    (
        lambda: MultivariateNormal(np.zeros(2), precision_matrix=-np.eye(2)),
        "MultivariateNormal: precision_matrix: expected a positive definite matrix, with "
        "eigenvalues above 0",
    ),
    (
        lambda: MultivariateNormal(np.zeros(2), scale_tril=np.ones((2, 2))),
        "MultivariateNormal: scale_tril: expected 0 above the diagonal, and the diagonal above 0",
    ),
    (
        lambda: multivariate()[0].log_prob(np.zeros(2)),
        "MultivariateNormal: log_prob: value: expected a shape that ends with the event_shape "
        "(3,); got (2,)",
    ),
    (
        lambda: Independent(Normal(0.0, 1.0), 1),
        "Independent: reinterpreted_batch_ndims: expected at most 0, the axes of (); got 1",
    ),
    (
        lambda: Independent(stats.norm, 1),
        "Independent: base_distribution: expected a distribution; got norm_gen",
    ),
    (lambda: kl_divergence(Normal(0, 1), 1), "kl_divergence: q: expected a distribution; got 1"),
    (
        lambda: register_kl(Normal, int),
        "register_kl: type_q: expected a class of distributions; got the class int",
    ),
    (lambda: Own().log_prob(0.0), "Own has no log_prob"),
    (lambda: Own().stddev, "Own has no variance"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    errors = (ValueError, TypeError, NotImplementedError)
    with pytest.raises(errors, match=f"^{re.escape(message)}$"):
        call()


def test_what_is_not_here():
    with pytest.raises(AttributeError, match=r"'nn\.distributions' has no attribute 'Beta'; there"):
        _ = nn.distributions.Beta
    with pytest.raises(AttributeError, match="Bernoulli has no attribute 'prob'"):
        _ = Bernoulli(0.5).prob
    with pytest.raises(AttributeError, match="no attribute 'scale'"):
        _ = multivariate()[0].scale


def test_importing_nn_does_not_import_them():
    code = "import sys, nn; assert 'nn.distributions' not in sys.modules; nn.distributions.Normal"
    subprocess.run([sys.executable, "-c", code], check=True)
