"""Random tensors, all drawn from one generator, which `Tensor.manual_seed` seeds."""

from math import isfinite, prod, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import arguments, generator
from ..arrays.arguments import flag, integer, number, shown
from ..arrays.dtypes import INT, check_dtype, float_dtype
from ..arrays.float_errors import quiet
from ..arrays.recorded import check, each_time
from ..arrays.shapes import Shape
from ..engine.recording import Observer
from ._keywords import also
from ._theme import Theme
from .creation import count, like, made, new_shape


class RandomMethods(Theme):
    """Random tensors.  A shape is one tuple or several arguments.

    The default dtype is float32, for integers int64.
    """

    __slots__ = ()

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Seed the generator: the same seed gives the same random numbers."""
        generator.seed(arguments.seed(seed, "manual_seed: seed"))

    @classmethod
    @also("size", "device")
    def rand(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Uniform on [0, 1)."""
        values = _uniform("rand", new_shape("rand", shape), 0.0, 1.0, dtype)
        return made(cls, values, requires_grad, "rand")

    @classmethod
    @also("size", "device")
    def uniform(
        cls,
        *shape: Any,
        low: float = 0.0,
        high: float = 1.0,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Uniform on [low, high)."""
        values = _uniform("uniform", new_shape("uniform", shape), low, high, dtype)
        return made(cls, values, requires_grad, "uniform")

    @classmethod
    @also("size", "device")
    def scaled_uniform(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Uniform on [-b, b) with b = 1 / sqrt(number of elements)."""
        sizes = new_shape("scaled_uniform", shape)
        bound = max(prod(sizes), 1) ** -0.5
        values = _uniform("scaled_uniform", sizes, -bound, bound, dtype)
        return made(cls, values, requires_grad, "scaled_uniform")

    @classmethod
    @also("size", "device")
    def glorot_uniform(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Uniform on [-b, b) with b = sqrt(6 / (out + in)), for a shape (out, ...).

        in is the product of the sizes after the first.  For matrices this is the paper's formula;
        for the kernels of a convolution, `nn.init.glorot_uniform` also multiplies out by their
        area.

        Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward
        neural networks, AISTATS 2010.
        """
        sizes, fan_in = _fan_in("glorot_uniform", shape)
        bound = sqrt(6.0 / (sizes[0] + fan_in))
        values = _uniform("glorot_uniform", sizes, -bound, bound, dtype)
        return made(cls, values, requires_grad, "glorot_uniform")

    @classmethod
    @also("size", "device")
    def kaiming_uniform(
        cls,
        *shape: Any,
        a: float = 0.01,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Uniform on [-b, b) with b = sqrt(6 / ((1 + a^2) in)), for a shape (out, ...).

        in is the product of the sizes after the first; a is the slope of the leaky ReLU after it.

        Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
        """
        sizes, fan_in = _fan_in("kaiming_uniform", shape)
        a = number(a, "kaiming_uniform: a")
        bound = sqrt(6.0 / ((1.0 + a * a) * fan_in))
        values = _uniform("kaiming_uniform", sizes, -bound, bound, dtype)
        return made(cls, values, requires_grad, "kaiming_uniform")

    @classmethod
    @also("size", "device")
    def randn(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Normal with mean 0 and standard deviation 1."""
        values = _normal("randn", new_shape("randn", shape), 0.0, 1.0, dtype)
        return made(cls, values, requires_grad, "randn")

    @classmethod
    @also("loc", "scale", "size", "device")
    def normal(
        cls,
        *shape: Any,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Normal with this mean and standard deviation."""
        values = _normal("normal", new_shape("normal", shape), mean, std, dtype)
        return made(cls, values, requires_grad, "normal")

    @classmethod
    @also("size", "device")
    def kaiming_normal(
        cls,
        *shape: Any,
        a: float = 0.01,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Self:
        """Normal with mean 0 and std = sqrt(2 / ((1 + a^2) in)), for a shape (out, ...).

        in is the product of the sizes after the first; a is the slope of the leaky ReLU after it.

        Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
        """
        sizes, fan_in = _fan_in("kaiming_normal", shape)
        a = number(a, "kaiming_normal: a")
        std = sqrt(2.0 / ((1.0 + a * a) * fan_in))
        values = _normal("kaiming_normal", sizes, 0.0, std, dtype)
        return made(cls, values, requires_grad, "kaiming_normal")

    @classmethod
    @also("size", "device")
    def randint(
        cls, *shape: Any, low: int = 0, high: int = 10, dtype: DTypeLike | None = None
    ) -> Self:
        """Integers from low to high - 1, all equally likely."""
        if len(shape) in (2, 3) and isinstance(shape[-1], (tuple, list)):  # as in PyTorch
            sizes = ", ".join(map(shown, shape[-1]))
            start = f"low={shown(shape[0])}, " if len(shape) == 3 else ""
            raise TypeError(
                f"randint: expected a shape, low and high; got {shown(shape)}; "
                f"write randint({sizes}, {start}high={shown(shape[-2])})"
            )
        wanted = _integer_dtype("randint", dtype)
        first, end = integer(low, "randint: low"), integer(high, "randint: high")
        if first >= end:
            raise ValueError(f"randint: expected low < high; got {shown(first)} and {shown(end)}")
        limits = np.iinfo(wanted)
        if first < limits.min or end - 1 > limits.max:
            raise ValueError(
                f"randint: low and high: {shown(first)} to {shown(end - 1)} do not fit into "
                f"{wanted}"
            )
        values = _draw("integers", first, end, new_shape("randint", shape), wanted)
        return made(cls, values, False, "randint")

    @classmethod
    @also("device")
    def randperm(cls, n: int, dtype: DTypeLike | None = None) -> Self:
        """The numbers 0 to n - 1 in random order; (n,)."""
        wanted = _integer_dtype("randperm", dtype)
        number = count("randperm: n", n)
        if number - 1 > np.iinfo(wanted).max:
            raise ValueError(f"randperm: {number - 1} does not fit into {wanted}")
        return made(cls, _draw("permutation", number).astype(wanted, copy=False), False, "randperm")

    @also("device")
    def rand_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Uniform on [0, 1), in the shape and dtype of this tensor."""
        values = _uniform("rand_like", self._data.shape, 0.0, 1.0, like(self, dtype, "rand_like"))
        return made(type(self), values, requires_grad, "rand_like")

    @also("device")
    def randn_like(self, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Normal with mean 0 and standard deviation 1, in the shape and dtype of this tensor."""
        values = _normal("randn_like", self._data.shape, 0.0, 1.0, like(self, dtype, "randn_like"))
        return made(type(self), values, requires_grad, "randn_like")

    def bernoulli(self) -> Self:
        """1 with the probability that self holds, else 0; same shape and dtype, no gradient."""
        probability = self._data
        _check_probabilities(probability)
        drawn = _draw("random", probability.shape) < probability
        return self._wrap(drawn.astype(probability.dtype), None)

    def multinomial(self, num_samples: int = 1, replacement: bool = False) -> Self:
        """Positions (int64) drawn with probabilities proportional to the weights in self.

        (n,) -> (num_samples,), (rows, n) -> (rows, num_samples).  The weights need not sum to 1.
        Without replacement no position is drawn twice.  Positions of weight 0 are never drawn.

        Errors: ValueError for weights that are negative, not finite, or all 0 in a row, and for
        more samples than there are weights above 0.

        Source: P. Efraimidis and P. Spirakis, Weighted random sampling with a reservoir, 2006, for
        draws without replacement: the smallest e / weight, with e exponentially distributed.
        """
        weights = self._data.astype(np.float64)
        if weights.ndim not in (1, 2):
            raise ValueError(
                f"multinomial: expected weights of shape (n,) or (rows, n); got {weights.shape}"
            )
        num_samples = integer(num_samples, "multinomial: num_samples", least=1)
        replacement = flag(replacement, "multinomial: replacement")
        _check_weights(weights, num_samples, replacement)
        return self._wrap(_sample(weights, num_samples, replacement), None)


def _draw(distribution: str, *arguments: Any) -> Any:
    """Numbers from the method of this name of NumPy's generator; observers are notified."""
    return _drawn(generator.source.get(), distribution, *arguments)


@each_time
def _drawn(given: generator.Source | None, distribution: str, *arguments: Any) -> Any:
    source = generator.drawn_from(given)
    drawn = np.asarray(getattr(source, distribution)(*arguments))
    observer = Observer.current("drew")
    if observer is not None:
        observer.drew(source, drawn)
    return drawn


@check
def _check_probabilities(probability: Any) -> None:
    """ValueError unless all are floats from 0 to 1."""
    if probability.dtype.kind != "f" or not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("bernoulli: expected floats from 0 to 1, the probabilities of a 1")


@check
def _check_weights(weights: Any, num_samples: int, replacement: bool) -> None:
    """ValueError for weights of `multinomial` from which so many cannot be drawn."""
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        raise ValueError("multinomial: expected finite weights of 0 or more")
    possible = int(np.min(np.count_nonzero(weights, axis=-1), initial=weights.shape[-1]))
    if possible < (1 if replacement else num_samples):
        raise ValueError(
            f"multinomial: {possible} weights are above 0, too few for "
            f"num_samples={shown(num_samples)}"
            + ("" if replacement or not possible else "; pass replacement=True")
        )


def _fan_in(name: str, sizes: Any) -> tuple[Shape, int]:
    """The shape (out, in, ...), and the number of inputs of each output."""
    shape = new_shape(name, sizes)
    if not shape or 0 in shape:
        raise ValueError(
            f"{name}: expected a shape (out, in, ...) without zeros; got {shown(shape)}"
        )
    return shape, prod(shape[1:])


@quiet
def _uniform(name: str, shape: Shape, low: float, high: float, dtype: DTypeLike | None) -> Any:
    """Uniform on [low, high), or all `low` where the two are equal."""
    low, high = number(low, f"{name}: low"), number(high, f"{name}: high")
    wanted = _float_dtype(name, dtype)
    start, end = wanted.type(low), wanted.type(high)
    if not (start <= end and isfinite(end - start)):
        raise ValueError(
            f"{name}: expected finite low <= high in {wanted}; got {shown(low)} and {shown(high)}"
        )
    wide = _drawn_dtype(wanted)
    drawn = _draw("random", shape, wide)
    if (low, high) != (0.0, 1.0):
        drawn = drawn * wide(high - low) + wide(low)
    elif wanted == wide:
        return drawn
    below = np.nextafter(end, start)  # rounding may reach high
    return np.minimum(drawn.astype(wanted, copy=False), below)


@quiet
def _normal(name: str, shape: Shape, mean: float, std: float, dtype: DTypeLike | None) -> Any:
    """Normal with this mean and standard deviation."""
    mean, std = number(mean, f"{name}: mean"), number(std, f"{name}: std")
    wanted = _float_dtype(name, dtype)
    if not std >= 0:
        raise ValueError(f"{name}: std: expected 0 or more; got {std}")
    wide = _drawn_dtype(wanted)
    drawn = _draw("standard_normal", shape, wide)
    if (mean, std) != (0.0, 1.0):
        drawn = drawn * wide(std) + wide(mean)
    return drawn.astype(wanted, copy=False)


def _float_dtype(name: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype of random real numbers: a float one, by default float32."""
    wanted = float_dtype(dtype, name)
    if wanted.kind != "f":
        raise TypeError(
            f"{name}: dtype: expected a float dtype; got {wanted}; use randint for integers"
        )
    return wanted


def _integer_dtype(name: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype of random integers, by default int64."""
    wanted = INT if dtype is None else check_dtype(dtype, name)
    if wanted.kind not in "iu":
        raise TypeError(f"{name}: dtype: expected an integer dtype; got {wanted}")
    return wanted


def _drawn_dtype(wanted: np.dtype[Any]) -> type[Any]:
    """The dtype to draw in: NumPy draws float32 and float64 only."""
    return np.float64 if wanted == np.float64 else np.float32


@quiet
def _sample(weights: Any, number: int, replacement: bool) -> Any:
    """Positions along the last axis, drawn in proportion to the weights."""
    weights = weights / weights.max(axis=-1, keepdims=True, initial=0.0)  # so that no sum overflows
    if not replacement:
        keys = _draw("standard_exponential", weights.shape) / weights
        keys = np.where(weights > 0, np.minimum(keys, np.finfo(np.float64).max), np.inf)
        return np.argsort(keys, axis=-1)[..., :number]
    # Row r is the interval from r to r + 1, divided in proportion to its weights.
    rows = np.arange(weights.shape[0], dtype=np.float64)[:, None] if weights.ndim == 2 else 0.0
    bounds = np.cumsum(weights, axis=-1)
    line = bounds / bounds[..., -1:] + rows
    drawn = _draw("random", (*weights.shape[:-1], number)) + rows
    found = np.searchsorted(line.ravel(), drawn, side="right")
    offset = (rows * weights.shape[-1]).astype(np.int64) if weights.ndim == 2 else 0
    # Rounding up may lead beyond the last weight above 0.
    last = weights.shape[-1] - 1 - np.argmax(weights[..., ::-1] > 0, axis=-1, keepdims=True)
    return np.minimum(found - offset, last)
