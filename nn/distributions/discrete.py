"""Distributions of a class: 0 or 1, or one of several.

Both take probabilities or logits, and compute with logits, which lose nothing near 0 and 1.  As in
PyTorch, the logits of probabilities below eps are those of eps, so that no gradient becomes nan.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, no_grad, recorded

from ._arguments import Value, broadcast, check, common_shape, one_of
from .distribution import Distribution


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0.

    probs, logits: one of the two; logits = log(probs / (1 - probs)).
    """

    parameters = ("probs", "logits")
    support = "0 or 1"
    has_enumerate_support = True
    probs: Tensor
    logits: Tensor

    def __init__(
        self,
        probs: Value | None = None,
        logits: Value | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, value = one_of("Bernoulli", probs=probs, logits=logits)
        (given,) = broadcast("Bernoulli", **{name: value})
        setattr(self, name, given)
        super().__init__(given.shape, (), validate_args)
        if self.validate_args and name == "probs":
            valid = (given.data >= 0) & (given.data <= 1)
            check("Bernoulli: probs", given.data, valid, "numbers from 0 to 1")
        elif self.validate_args:
            check("Bernoulli: logits", given.data, given.data == given.data, "numbers, no nan")

    def __getattr__(self, name: str) -> Tensor:
        """The one of probs and logits that was not given."""
        given = vars(self)
        if name == "probs" and "logits" in given:
            return self.logits.sigmoid()
        if name == "logits" and "probs" in given:
            p = _above_eps(self.probs)
            return p.log() - (-p).log1p()
        raise AttributeError(f"Bernoulli has no attribute {name!r}", name=name, obj=self)

    def in_support(self, value: NDArray[Any]) -> Any:
        """Which values can be drawn."""
        return (value == 0) | (value == 1)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of probs and logits."""
        return self.batch_shape

    @property
    def mean(self) -> Tensor:
        """The probability of 1."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """1 for a probability above 1/2, 0 below, nan for 1/2."""
        p = self.probs.data
        return Tensor.from_array(np.where(p == 0.5, math.nan, p > 0.5).astype(p.dtype))

    @property
    def variance(self) -> Tensor:
        """probs (1 - probs)."""
        return self.probs * (1.0 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """0.0 or 1.0, without gradient."""
        with no_grad():
            return self.probs.expand(self._extended_shape(sample_shape)).bernoulli()

    def log_prob(self, value: Value) -> Tensor:
        """log(probs) for 1, log(1 - probs) for 0."""
        x, logits = self._value("log_prob", value), self.logits
        return -(x * (-logits).softplus() + (1.0 - x) * logits.softplus())

    def entropy(self) -> Tensor:
        """-p log(p) - (1 - p) log(1 - p)."""
        p, logits = self.probs, self.logits
        return p * (-logits).softplus() + (1.0 - p) * logits.softplus()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1 along a new first axis."""
        values = Tensor([0.0, 1.0], dtype=self.probs.dtype)
        values = values.reshape(2, *(1,) * len(self.batch_shape))
        return values.expand(2, *self.batch_shape) if expand else values


class Categorical(Distribution):
    """One of K classes, an integer from 0 to K - 1.

    probs   (..., K), of 0 or more; divided by their sum
    logits  (..., K), the logarithms of probabilities, up to a constant; -inf for impossible

    One of the two is given.  `probs` and `logits` then are the normalised ones.
    """

    parameters = ("probs", "logits")
    support = "a class from 0 to K - 1"
    has_enumerate_support = True
    probs: Tensor
    logits: Tensor

    def __init__(
        self,
        probs: Value | None = None,
        logits: Value | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, value = one_of("Categorical", probs=probs, logits=logits)
        (given,) = broadcast("Categorical", **{name: value})
        if given.ndim < 1 or not given.shape[-1]:
            raise ValueError(f"Categorical: {name}: expected shape (..., K); got {given.shape}")
        super().__init__(given.shape[:-1], (), validate_args)
        if self.validate_args and name == "probs":
            valid = (given.data >= 0) & (given.data < math.inf)
            check("Categorical: probs", given.data, valid, "finite numbers of 0 or more")
            _check_rows(given.data)
        elif self.validate_args:
            most = given.data.max(axis=-1)
            valid = np.isfinite(most)
            check("Categorical: logits", most, valid, "a finite one in each row")
        if name == "probs":
            self.probs = given / given.sum(-1, keepdim=True)
        else:
            self.logits = given.log_softmax(-1)

    def __getattr__(self, name: str) -> Tensor:
        """The one of probs and logits that was not given."""
        given = vars(self)
        if name == "probs" and "logits" in given:
            return self.logits.softmax(-1)
        if name == "logits" and "probs" in given:
            return _above_eps(self.probs).log()
        raise AttributeError(f"Categorical has no attribute {name!r}", name=name, obj=self)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of probs and logits."""
        return self._given.shape

    @property
    def mean(self) -> Tensor:
        """nan: classes are no numbers."""
        return Tensor.full(self.batch_shape, math.nan, dtype=self._given.dtype)

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self._given.argmax(-1)

    @property
    def variance(self) -> Tensor:
        """nan: classes are no numbers."""
        return self.mean

    def in_support(self, value: NDArray[Any]) -> Any:
        """Which values can be drawn."""
        whole = np.equal(value, np.floor(value))
        return whole & (value >= 0) & (value < self._given.shape[-1])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Classes, as int64."""
        shape = self._extended_shape(sample_shape)
        count = math.prod(shape[: len(shape) - len(self.batch_shape)])
        if 0 in shape:
            return Tensor.zeros(shape, dtype=np.int64)
        with no_grad():
            rows = self.probs.reshape(-1, self._given.shape[-1])
            return rows.multinomial(count, replacement=True).T.reshape(shape)

    def log_prob(self, value: Value) -> Tensor:
        """The logarithm of the probability of this class."""
        classes = self._value("log_prob", value)
        shape = common_shape("Categorical: log_prob", value=classes.shape, batch=self.batch_shape)
        index = np.broadcast_to(classes.data, shape).astype(np.int64)
        logits = self.logits.expand(*shape, self._given.shape[-1])
        return logits.gather(-1, index[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum of p log(p)."""
        logits = self.logits.clamp(min=float(np.finfo(self._given.dtype).min))
        return -(self.probs * logits).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All classes along a new first axis."""
        count = self._given.shape[-1]
        values = Tensor.arange(count).reshape(count, *(1,) * len(self.batch_shape))
        return values.expand(count, *self.batch_shape) if expand else values

    def _dtype_of_integers(self) -> Any:
        """One that holds every class: float16 has no 50,256."""
        return np.float64

    @property
    def _given(self) -> Tensor:
        """What was given, normalised."""
        return self.probs if "probs" in vars(self) else self.logits


@recorded.check
def _check_rows(probs: NDArray[Any]) -> None:
    if not (probs > 0).any(axis=-1).all():
        raise ValueError("Categorical: probs: expected one above 0 in each row; got all 0")


def _above_eps(probs: Tensor) -> Tensor:
    """Probabilities from eps to 1 - eps."""
    eps = float(np.finfo(probs.dtype).eps)
    return probs.clamp(eps, 1.0 - eps)
