"""Distributions of one real number."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor

from ._arguments import Value, broadcast, check
from ._quantile import NormalQuantile
from .distribution import Distribution

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


class Normal(Distribution):
    """The normal distribution, with density exp(-z^2 / 2) / (scale sqrt(2 pi)), z in deviations.

    loc, scale: the mean and the standard deviation, which broadcast.
    """

    parameters = ("loc", "scale")
    support = "numbers, no nan"
    has_rsample = True

    def __init__(self, loc: Value, scale: Value, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast("Normal", loc=loc, scale=scale)
        super().__init__(self.loc.shape, (), validate_args)
        if self.validate_args:
            _check_location_and_scale(self)

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The square of the standard deviation."""
        return self.scale.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """loc + scale * noise."""
        noise = Tensor.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def log_prob(self, value: Value) -> Tensor:
        """-z^2 / 2 - log(scale) - log(2 pi) / 2."""
        z = (self._value("log_prob", value) - self.loc) / self.scale
        return z.square() * -0.5 - self.scale.log() - HALF_LOG_2_PI

    def cdf(self, value: Value) -> Tensor:
        """(1 + erf(z / sqrt(2))) / 2."""
        z = (self._value("cdf", value) - self.loc) / self.scale
        return 0.5 * (1.0 + (z / math.sqrt(2.0)).erf())

    def icdf(self, value: Value) -> Tensor:
        """loc + scale * z, where z is the quantile of the standard normal distribution."""
        z: Tensor = NormalQuantile.apply(self._value("icdf", value))
        return self.loc + self.scale * z

    def entropy(self) -> Tensor:
        """log(scale) + log(2 pi) / 2 + 1 / 2."""
        return self.scale.log() + (0.5 + HALF_LOG_2_PI)


class Laplace(Distribution):
    """The Laplace distribution, with density exp(-|value - loc| / scale) / (2 scale)."""

    parameters = ("loc", "scale")
    support = "numbers, no nan"
    has_rsample = True

    def __init__(self, loc: Value, scale: Value, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast("Laplace", loc=loc, scale=scale)
        super().__init__(self.loc.shape, (), validate_args)
        if self.validate_args:
            _check_location_and_scale(self)

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """2 scale^2."""
        return 2.0 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        """sqrt(2) scale."""
        return math.sqrt(2.0) * self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """loc - scale sign(u) log(1 - |u|), with u uniform on (-1, 1)."""
        shape, dtype = self._extended_shape(sample_shape), self.loc.dtype
        above = float(np.finfo(dtype).eps) - 1.0
        u = Tensor.uniform(shape, low=above, high=1.0, dtype=dtype)
        return self.loc - self.scale * (u.sign() * (-u.abs()).log1p())

    def log_prob(self, value: Value) -> Tensor:
        """-|value - loc| / scale - log(2 scale)."""
        distance = (self._value("log_prob", value) - self.loc).abs()
        return -distance / self.scale - (2.0 * self.scale).log()

    def cdf(self, value: Value) -> Tensor:
        """exp(z) / 2 below loc, 1 - exp(-z) / 2 above, with z in scales."""
        z = (self._value("cdf", value) - self.loc) / self.scale
        below = z < 0.0  # not abs(z), which has no slope at 0
        tail = below.where(z, -z).exp() * 0.5
        return below.where(tail, 1.0 - tail)

    def icdf(self, value: Value) -> Tensor:
        """loc + scale log(2 p) below 1/2, loc - scale log(2 - 2 p) above."""
        p = self._value("icdf", value)
        z = (p < 0.5).where((2.0 * p).log(), -(2.0 - 2.0 * p).log())
        return self.loc + self.scale * z

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1.0 + (2.0 * self.scale).log()


class Exponential(Distribution):
    """The exponential distribution, with density rate exp(-rate value) for values of 0 or more."""

    parameters = ("rate",)
    support = "numbers of 0 or more"
    has_rsample = True

    def __init__(self, rate: Value, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast("Exponential", rate=rate)
        super().__init__(self.rate.shape, (), validate_args)
        if self.validate_args:
            check("Exponential: rate", self.rate.data, self.rate.data > 0, "numbers above 0")

    def in_support(self, value: NDArray[Any]) -> Any:
        """Which values can be drawn."""
        return value >= 0

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """0, where the density is highest."""
        return self.rate.zeros_like()

    @property
    def stddev(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        """1 / rate^2."""
        return self.rate**-2.0

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """-log(1 - u) / rate, with u uniform on [0, 1)."""
        u = Tensor.rand(self._extended_shape(sample_shape), dtype=self.rate.dtype)
        return -(-u).log1p() / self.rate

    def log_prob(self, value: Value) -> Tensor:
        """log(rate) - rate value."""
        return self.rate.log() - self.rate * self._value("log_prob", value)

    def cdf(self, value: Value) -> Tensor:
        """1 - exp(-rate value)."""
        return -(-self.rate * self._value("cdf", value)).expm1()

    def icdf(self, value: Value) -> Tensor:
        """-log(1 - p) / rate."""
        return -(-self._value("icdf", value)).log1p() / self.rate

    def entropy(self) -> Tensor:
        """1 - log(rate)."""
        return 1.0 - self.rate.log()


class Uniform(Distribution):
    """Every number from low to below high is equally likely.

    A value outside is an error; with validate_args=False its log_prob is -inf.
    """

    parameters = ("low", "high")
    support = "numbers from low to high"
    has_rsample = True

    def __init__(self, low: Value, high: Value, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast("Uniform", low=low, high=high)
        super().__init__(self.low.shape, (), validate_args)
        if self.validate_args:
            valid = self.low.data < self.high.data
            check("Uniform: high", self.high.data, valid, "numbers above low")

    def in_support(self, value: NDArray[Any]) -> Any:
        """Which values can be drawn."""
        return (value >= self.low.data) & (value <= self.high.data)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.high + self.low) * 0.5

    @property
    def mode(self) -> Tensor:
        """nan: no value is more probable than the others."""
        return self.high * math.nan

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / math.sqrt(12.0)

    @property
    def variance(self) -> Tensor:
        """(high - low)^2 / 12."""
        return (self.high - self.low).square() / 12.0

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """low + (high - low) u, with u uniform on [0, 1)."""
        u = Tensor.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Value) -> Tensor:
        """-log(high - low) from low to below high, else -inf."""
        x = self._value("log_prob", value)
        inside = (x.data >= self.low.data) & (x.data < self.high.data)
        found = -(self.high - self.low).log()
        return found.expand(inside.shape).masked_fill(~inside, -math.inf)

    def cdf(self, value: Value) -> Tensor:
        """(value - low) / (high - low)."""
        x = (self._value("cdf", value) - self.low) / (self.high - self.low)
        return x.clamp(0.0, 1.0)

    def icdf(self, value: Value) -> Tensor:
        """low + (high - low) p."""
        return self.low + self._value("icdf", value) * (self.high - self.low)

    def entropy(self) -> Tensor:
        """log(high - low)."""
        return (self.high - self.low).log()


def _check_location_and_scale(distribution: Normal | Laplace) -> None:
    """Raise unless no loc is nan and each scale is above 0."""
    name, loc, scale = type(distribution).__name__, distribution.loc, distribution.scale
    check(f"{name}: loc", loc.data, loc.data == loc.data, "numbers, no nan")
    check(f"{name}: scale", scale.data, scale.data > 0, "numbers above 0")
