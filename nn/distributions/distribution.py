"""The base class of all distributions: shapes, checks, and what follows from other methods."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, no_grad

from ._arguments import Value, as_tensor, check, common_shape

MOST_AXES, MOST_ELEMENTS = 32, 1 << 44  # of an array, with room for the axes of an event


class Distribution:
    """A batch of probability distributions.

    batch_shape    the shape of the parameters: how many distributions there are
    event_shape    the shape of one draw from one of them
    validate_args  whether parameters and values are checked; None for the default, which is True
                   (`set_default_validate_args`)
    has_rsample    whether draws have gradients

    A subclass defines `parameters`, the names of its arguments, and those methods that it has.
    """

    parameters: ClassVar[tuple[str, ...]] = ()
    support: ClassVar[str] = "numbers"  # what a draw can be, in words
    has_rsample: bool = False
    has_enumerate_support: bool = False
    validates: ClassVar[bool] = True

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        name = type(self).__name__
        self.batch_shape = tuple(batch_shape)
        self.event_shape = tuple(event_shape)
        self.validate_args = Distribution.validates
        if validate_args is not None:
            self.validate_args = arguments.flag(validate_args, f"{name}: validate_args")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether parameters and values are checked where `validate_args` is not given."""
        Distribution.validates = arguments.flag(value, "set_default_validate_args: value")

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        raise self._without("mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise self._without("mode")

    @property
    def variance(self) -> Tensor:
        """The expectation of (value - mean)^2."""
        raise self._without("variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, the root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws without gradient, of shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws with a gradient to the parameters: a function of them and of fixed noise.

        Source: D. Kingma and M. Welling, Auto-Encoding Variational Bayes, ICLR 2014.
        """
        raise self._without("rsample", "use sample() and log_prob()")

    def log_prob(self, value: Value) -> Tensor:
        """The logarithm of the probability, or of its density, at this value."""
        raise self._without("log_prob")

    def cdf(self, value: Value) -> Tensor:
        """The probability of a draw up to this value."""
        raise self._without("cdf")

    def icdf(self, value: Value) -> Tensor:
        """The inverse of cdf: the value up to which a draw is with this probability."""
        raise self._without("icdf")

    def entropy(self) -> Tensor:
        """The expectation of -log_prob, of shape batch_shape."""
        raise self._without("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a new first axis.

        expand: whether they are repeated for each distribution of the batch.
        """
        raise self._without("enumerate_support")

    def expand(self, batch_shape: Any) -> Self:
        """The same distributions with a larger batch_shape, to which theirs broadcasts."""
        shape = self._larger_shape(batch_shape)
        given = {name: vars(self)[name] for name in self.parameters if name in vars(self)}
        ranks = {name: tensor.ndim - len(self.batch_shape) for name, tensor in given.items()}
        expanded = {
            name: tensor.expand(*shape, *tensor.shape[tensor.ndim - ranks[name] :])
            for name, tensor in given.items()
        }
        new = type(self)(**expanded, validate_args=False)
        new.validate_args = self.validate_args
        return new

    def in_support(self, value: NDArray[Any]) -> Any:
        """Which values can be drawn."""
        return value == value

    def __repr__(self) -> str:
        given = {name: vars(self)[name] for name in self.parameters if name in vars(self)}
        shown = {name: t.item() if t.numel() == 1 else t.shape for name, t in given.items()}
        return f"{type(self).__name__}({', '.join(f'{n}: {text}' for n, text in shown.items())})"

    def _extended_shape(self, sample_shape: Any) -> tuple[int, ...]:
        """The shape of draws."""
        name = f"{type(self).__name__}: sample_shape"
        shape = arguments.sizes(sample_shape, name) + self.batch_shape + self.event_shape
        if len(shape) > MOST_AXES or math.prod(shape) > MOST_ELEMENTS:
            raise ValueError(f"{name}: {arguments.shown(shape)} is more than an array can have")
        return shape

    def _larger_shape(self, batch_shape: Any) -> tuple[int, ...]:
        """The argument of `expand`, to which the batch broadcasts."""
        name = f"{type(self).__name__}: expand: batch_shape"
        shape, own = arguments.sizes(batch_shape, name), self.batch_shape
        ends = shape[max(len(shape) - len(own), 0) :]
        fits = len(ends) == len(own) and all(a in (1, b) for a, b in zip(own, ends, strict=True))
        if not fits or len(shape) > MOST_AXES or math.prod(shape) > MOST_ELEMENTS:
            raise ValueError(f"{name}: {own} does not broadcast to {arguments.shown(shape)}")
        return shape

    def _value(self, method: str, value: Value) -> Tensor:
        """The argument of a method as a Tensor; it broadcasts, and can be drawn."""
        name = f"{type(self).__name__}: {method}: value"
        tensor = as_tensor(name, value, self._dtype_of_integers())
        if self.validate_args:
            events = len(self.event_shape)
            if tensor.shape[max(tensor.ndim - events, 0) :] != self.event_shape:
                raise ValueError(
                    f"{name}: expected a shape that ends with the event_shape {self.event_shape}; "
                    f"got {tensor.shape}"
                )
            common_shape(name, value=tensor.shape, distribution=self.batch_shape + self.event_shape)
            if method != "icdf":
                check(name, tensor.data, self.in_support(tensor.data), self.support)
        return tensor

    def _dtype_of_integers(self) -> Any:
        """The dtype of values that are integers or numbers: that of the parameters."""
        given = (vars(self)[name] for name in self.parameters if name in vars(self))
        return next((tensor.dtype for tensor in given), np.float32)

    def _without(self, method: str, fix: str = "") -> NotImplementedError:
        """The error for a method that a distribution does not have."""
        return NotImplementedError(
            f"{type(self).__name__} has no {method}{'; ' if fix else ''}{fix}"
        )
