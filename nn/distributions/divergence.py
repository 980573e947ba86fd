"""The Kullback-Leibler divergence of two distributions, in closed form."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_lite import Tensor, arguments

from .continuous import Exponential, Laplace, Normal, Uniform
from .discrete import Bernoulli, Categorical
from .distribution import Distribution
from .independent import Independent, sum_of_last
from .multivariate import MultivariateNormal, solved

Formula: TypeAlias = Callable[[Any, Any], Tensor]
_FORMULAS: dict[tuple[type, type], Formula] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """A decorator: the function is `kl_divergence` for these classes and their subclasses."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise arguments.wrong(f"register_kl: {name}", "a class of distributions", kind)

    def register(formula: Formula) -> Formula:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expectation under p of log p - log q, of the shape to which their batches broadcast.

    0 if they are equal; inf if q excludes what p does not.

    Errors: NotImplementedError if there is no formula for the two classes (`register_kl`).
    """
    for name, each in (("p", p), ("q", q)):
        if not isinstance(each, Distribution):
            raise arguments.wrong(f"kl_divergence: {name}", "a distribution", each)
    for type_p in type(p).__mro__:
        for type_q in type(q).__mro__:
            if (type_p, type_q) in _FORMULAS:
                return _FORMULAS[type_p, type_q](p, q)
    raise NotImplementedError(
        f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; "
        "write one with register_kl, or take the mean of p.log_prob(x) - q.log_prob(x) over draws"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    """(r^2 - 1) / 2 - log(r) + z^2 / 2, with r = p.scale / q.scale."""
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1.0 - ratio.log())


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    """Source: M. Gil, On Renyi divergence measures for continuous alphabet sources, 2011."""
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale + ratio * (-distance / p.scale).exp() - ratio.log() - 1.0


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    """R - 1 - log(r), with r = q.rate / p.rate."""
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1.0


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    """The logarithm of the ratio of the lengths; inf where p is not inside q."""
    outside = (q.low.data > p.low.data) | (q.high.data < p.high.data)
    return ((q.high - q.low) / (p.high - p.low)).log().masked_fill(outside, math.inf)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    """The sum over both values of prob * (difference of the log-probabilities)."""
    a, b = p.logits, q.logits
    ones = p.probs * ((-b).softplus() - (-a).softplus())
    zeros = (1.0 - p.probs) * (b.softplus() - a.softplus())
    ones = _where_possible(ones, p.probs.data == 0, q.probs.data == 0)
    return ones + _where_possible(zeros, p.probs.data == 1, q.probs.data == 1)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    """The sum over the classes of prob * (difference of the log-probabilities)."""
    terms = p.probs * (p.logits - q.logits)
    return _where_possible(terms, p.probs.data == 0, q.probs.data == 0).sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    """(|Lq^-1 Lp|^2 + |Lq^-1 (p.loc - q.loc)|^2 - n) / 2 + log(det(Lq) / det(Lp))."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: expected vectors of one length; got {p.event_shape[0]} and "
            f"{q.event_shape[0]}"
        )
    spread = q.factor.solve_triangular(p.factor, upper=False).square().sum((-2, -1))
    shift = solved(q.factor, q.loc - p.loc).square().sum(-1)
    return q.half_log_det() - p.half_log_det() + 0.5 * (spread + shift - float(p.event_shape[0]))


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    """The sum over the axes of the event."""
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: expected as many axes in both Independent; got "
            f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return sum_of_last(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


def _where_possible(terms: Tensor, never: Any, excluded: Any) -> Tensor:
    """The terms; inf where q excludes the value, and 0 where p never takes it."""
    shape = terms.shape
    terms = terms.masked_fill(np.broadcast_to(excluded, shape), math.inf)
    return terms.masked_fill(np.broadcast_to(never, shape), 0.0)
