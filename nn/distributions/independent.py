"""A batch of distributions as one of a larger event."""

from typing import Any, Self

from tinygrad_lite import Tensor, arguments

from ._arguments import Value
from .distribution import Distribution


class Independent(Distribution):
    """The last axes of a batch as axes of the event: one distribution of independent numbers.

        Independent(Normal(mean, deviation), 1)  # a normal distribution of vectors

    base_distribution          the batch
    reinterpreted_batch_ndims  how many of the last axes; log_prob and entropy are summed over them
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(base_distribution, Distribution):
            raise arguments.wrong(
                "Independent: base_distribution", "a distribution", base_distribution
            )
        name = "Independent: reinterpreted_batch_ndims"
        count = arguments.integer(reinterpreted_batch_ndims, name, least=0)
        batch = base_distribution.batch_shape
        if count > len(batch):
            raise ValueError(
                f"{name}: expected at most {len(batch)}, the axes of {batch}; got {count}"
            )
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = count
        kept = len(batch) - count
        events = batch[kept:] + base_distribution.event_shape
        super().__init__(batch[:kept], events, validate_args)
        self.has_rsample = base_distribution.has_rsample
        self.has_enumerate_support = base_distribution.has_enumerate_support and not count

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The expectation of (value - mean)^2."""
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws of the base distribution."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws of the base distribution, with gradients."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Value) -> Tensor:
        """The sum over the axes of the event."""
        return sum_of_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The sum over the axes of the event."""
        return sum_of_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """That of the base distribution, if no axis became one of the event."""
        if self.reinterpreted_batch_ndims:
            raise self._without("enumerate_support")
        return self.base_dist.enumerate_support(expand)

    def expand(self, batch_shape: Any) -> Self:
        """The same with a larger batch_shape."""
        shape = self._larger_shape(batch_shape)
        base = self.base_dist.expand(shape + self.event_shape[: self.reinterpreted_batch_ndims])
        return type(self)(base, self.reinterpreted_batch_ndims, self.validate_args)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def sum_of_last(x: Tensor, count: int) -> Tensor:
    """The sum over the last `count` axes."""
    return x.sum(tuple(range(-count, 0))) if count else x
