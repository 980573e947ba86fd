"""Initial values of parameters.

Functions that end in an underscore are PyTorch's: they write into a tensor and return it, outside
the graph, as an optimiser does, whether or not it requires grad; a backward pass that still needs
the old values then raises.  They take an ndarray too, as `weight.data` is one here; the graph is
not told of that.  The others, which layers use, take a shape and create a float32 leaf that
requires grad.

Shapes are (out, in) for matrices and (out, in, height, width) for convolution kernels.  The fan-in
is the number of inputs that each output is a sum of, in * height * width; the fan-out is the number
of outputs that each input contributes to, out * height * width.

Random numbers are drawn by Tensor, so `Tensor.manual_seed` determines them; `generator` is there
for PyTorch's signatures and must be None.
"""

import math
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_lite import Tensor, arguments, recorded, warn

Array: TypeAlias = NDArray[Any]
Filled = TypeVar("Filled", Tensor, NDArray[Any])
Mode: TypeAlias = Literal["fan_in", "fan_out"]
Nonlinearity: TypeAlias = Literal[
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu",
]  # fmt: skip

GAINS: dict[str | None, float] = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.nan,  # computed from its slope
    "selu": 3 / 4,
}

# New parameters


def kaiming_uniform(
    *shape: int, a: float = math.sqrt(5.0), dtype: DTypeLike | None = None
) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / ((1 + a^2) fan_in)).

    a: the negative slope of the leaky ReLU that follows, 0 for ReLU.  With the default, the same as
    in PyTorch's layers, bound is 1 / sqrt(fan_in).

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_uniform", shape)
    return Tensor.kaiming_uniform(*shape, a=a, dtype=dtype, requires_grad=True)


def kaiming_normal(*shape: int, a: float = 0.0, dtype: DTypeLike | None = None) -> Tensor:
    """Normal with mean 0 and standard deviation sqrt(2 / ((1 + a^2) fan_in)).

    a: the negative slope of the leaky ReLU that follows, 0 for ReLU.  The variance then stays the
    same from layer to layer.

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_normal", shape)
    return Tensor.kaiming_normal(*shape, a=a, dtype=dtype, requires_grad=True)


def glorot_uniform(*shape: int, dtype: DTypeLike | None = None) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / (fan_in + fan_out)): for tanh and sigmoid.

    For kernels this is PyTorch's formula, not tinygrad's: tinygrad, and `Tensor.glorot_uniform`,
    leave height * width out of the fan-out.

    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward
    neural networks, AISTATS 2010.
    """
    fan_in, fan_out = _fans("glorot_uniform", shape)
    return uniform(*shape, bound=math.sqrt(6.0 / (fan_in + fan_out)), dtype=dtype)


def uniform(*shape: int, bound: float, dtype: DTypeLike | None = None) -> Tensor:
    """Uniform on +-bound."""
    if not 0 <= arguments.number(bound, "uniform: bound") < math.inf:
        raise ValueError(f"uniform: bound: expected a finite number of 0 or more; got {bound}")
    return Tensor.uniform(*shape, low=-bound, high=bound, dtype=dtype, requires_grad=True)


def normal(*shape: int, std: float, dtype: DTypeLike | None = None) -> Tensor:
    """Normal with mean 0 and standard deviation `std`."""
    return Tensor.normal(*shape, std=std, dtype=dtype, requires_grad=True)


def zeros(*shape: int, dtype: DTypeLike | None = None) -> Tensor:
    """Every element 0."""
    return Tensor.zeros(*shape, dtype=dtype, requires_grad=True)


def ones(*shape: int, dtype: DTypeLike | None = None) -> Tensor:
    """Every element 1."""
    return Tensor.ones(*shape, dtype=dtype, requires_grad=True)


# In place, as in torch.nn.init


def uniform_(tensor: Filled, a: float = 0.0, b: float = 1.0, generator: None = None) -> Filled:
    """Uniform on [a, b)."""
    dtype = _floats("uniform_", tensor, generator)
    low, high = _finite("uniform_: a", a), _finite("uniform_: b", b)
    if low > high:
        raise ValueError(f"uniform_: expected a <= b; got {a} and {b}")
    return _write(tensor, Tensor.uniform(*tensor.shape, low=low, high=high, dtype=dtype))


def normal_(tensor: Filled, mean: float = 0.0, std: float = 1.0, generator: None = None) -> Filled:
    """Normal with this mean and standard deviation."""
    dtype = _floats("normal_", tensor, generator)
    mean, std = _finite("normal_: mean", mean), _finite("normal_: std", std, least=0)
    return _write(tensor, Tensor.normal(*tensor.shape, mean=mean, std=std, dtype=dtype))


def trunc_normal_(
    tensor: Filled,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: None = None,
) -> Filled:
    """Normal with this mean and standard deviation, on the condition that it lies in [a, b].

    a and b are values, not multiples of std; either may be infinite.  The distribution is exact
    also if the mean is far outside of [a, b].

    Source: rejection from a uniform distribution, J. von Neumann, 1951.
    """
    _floats("trunc_normal_", tensor, generator)
    mean = _finite("trunc_normal_: mean", mean)
    std = arguments.positive(_finite("trunc_normal_: std", std), "trunc_normal_: std")
    a, b = arguments.number(a, "trunc_normal_: a"), arguments.number(b, "trunc_normal_: b")
    if not (a <= b and a < math.inf and b > -math.inf):
        raise ValueError(f"trunc_normal_: expected a <= b; got {a} and {b}")
    drawn = _between(math.prod(tensor.shape), (a - mean) / std, (b - mean) / std)
    return _write(tensor, np.clip(drawn * std + mean, a, b).reshape(tensor.shape))


def constant_(tensor: Filled, val: float) -> Filled:
    """Every element `val`."""
    _writable("constant_", tensor)
    val = arguments.number(val, "constant_: val")
    return _write(tensor, Tensor.full(tensor.shape, val, dtype=tensor.dtype))


def ones_(tensor: Filled) -> Filled:
    """Every element 1."""
    return _write(_writable("ones_", tensor), 1)


def zeros_(tensor: Filled) -> Filled:
    """Every element 0."""
    return _write(_writable("zeros_", tensor), 0)


def eye_(tensor: Filled) -> Filled:
    """The identity: 1 on the diagonal of a matrix, 0 elsewhere."""
    _writable("eye_", tensor, (2,))
    return _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Filled, groups: int = 1) -> Filled:
    """The kernel (out, in / groups, ...) of a convolution that returns its input.

    Output channel i of each group is input channel i of it, as far as there are as many: 1 in the
    middle of the kernel, 0 elsewhere.
    """
    _writable("dirac_", tensor, (3, 4, 5))
    groups = arguments.integer(groups, "dirac_: groups", least=1)
    outputs, inputs, *kernel = tensor.shape
    if outputs % groups:
        raise ValueError(f"dirac_: {groups} groups do not divide the {outputs} output channels")
    values = np.zeros(tensor.shape)
    if values.size:
        channel = np.arange(min(outputs // groups, inputs))
        first = np.arange(groups)[:, None] * (outputs // groups)
        middle: Any = (..., *(size // 2 for size in kernel))
        values[middle][first + channel, channel] = 1
    return _write(tensor, values)


def xavier_uniform_(tensor: Filled, gain: float = 1.0, generator: None = None) -> Filled:
    """Uniform on +-bound, bound = gain sqrt(6 / (fan_in + fan_out)).

    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward
    neural networks, AISTATS 2010.
    """
    dtype = _floats("xavier_uniform_", tensor, generator)
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    return _write(tensor, Tensor.uniform(*tensor.shape, low=-bound, high=bound, dtype=dtype))


def xavier_normal_(tensor: Filled, gain: float = 1.0, generator: None = None) -> Filled:
    """Normal with mean 0 and standard deviation gain sqrt(2 / (fan_in + fan_out)): see above."""
    dtype = _floats("xavier_normal_", tensor, generator)
    std = _xavier_std("xavier_normal_", tensor, gain)
    return _write(tensor, Tensor.normal(*tensor.shape, std=std, dtype=dtype))


def kaiming_uniform_(
    tensor: Filled,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: None = None,
) -> Filled:
    """Uniform on +-bound, bound = gain sqrt(3 / fan).

    a             the negative slope, if the nonlinearity is "leaky_relu"; 0 is ReLU
    mode          which fan: "fan_in" keeps the variance in the forward pass, "fan_out" in the
                  backward pass
    nonlinearity  the function after the layer, which decides the gain: see `calculate_gain`

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    dtype = _floats("kaiming_uniform_", tensor, generator)
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return _write(tensor, Tensor.uniform(*tensor.shape, low=-bound, high=bound, dtype=dtype))


def kaiming_normal_(
    tensor: Filled,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: None = None,
) -> Filled:
    """Normal with mean 0 and standard deviation gain / sqrt(fan); see `kaiming_uniform_`."""
    dtype = _floats("kaiming_normal_", tensor, generator)
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return _write(tensor, Tensor.normal(*tensor.shape, std=std, dtype=dtype))


def orthogonal_(tensor: Filled, gain: float = 1, generator: None = None) -> Filled:
    """gain times a random matrix whose rows or columns, the fewer, are orthonormal.

    More than two axes count as (out, in * height * width).  All such matrices are equally likely:
    the signs of a QR decomposition are made those of a unique one.

    Source: A. Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks, ICLR 2014; F. Mezzadri, How to generate random matrices from the classical
    compact groups, 2007.
    """
    _floats("orthogonal_", tensor, generator)
    gain = _finite("orthogonal_: gain", gain)
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected a shape (out, in, ...); got {tensor.shape}")
    if not math.prod(tensor.shape):
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape) // tensor.shape[0]
    tall = Tensor.randn(max(rows, columns), min(rows, columns), dtype=np.float64)
    q, r = np.linalg.qr(tall.numpy())
    q *= gain * np.sign(np.diagonal(r))
    return _write(tensor, (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: Filled, sparsity: float, std: float = 0.01, generator: None = None) -> Filled:
    """Normal with mean 0, but the share `sparsity` of each column of a matrix, rounded up, is 0.

    Source: J. Martens, Deep learning via Hessian-free optimization, ICML 2010.
    """
    dtype = _floats("sparse_", tensor, generator)
    _writable("sparse_", tensor, (2,))
    zeros = math.ceil(arguments.probability(sparsity, "sparse_: sparsity") * tensor.shape[0])
    std = _finite("sparse_: std", std, least=0)
    values = Tensor.normal(*tensor.shape, std=std, dtype=dtype).numpy()
    rows = Tensor.rand(*tensor.shape, dtype=np.float64).numpy().argsort(0)[:zeros]
    np.put_along_axis(values, rows, 0.0, axis=0)
    return _write(tensor, values)


def calculate_gain(nonlinearity: Nonlinearity, param: float | None = None) -> float:
    """The factor of the standard deviation that makes up for a function after the layer.

    1 for "linear", the convolutions and "sigmoid", 5 / 3 for "tanh", sqrt(2) for "relu",
    sqrt(2 / (1 + slope^2)) for "leaky_relu" with param as the slope (default: 0.01), and 3 / 4 for
    "selu".
    """
    return _gain("calculate_gain", nonlinearity, param, "param")


def _gain(name: str, nonlinearity: Any, slope: float | None, argument: str) -> float:
    """`calculate_gain` for a function called `name`, whose slope is called `argument`."""
    arguments.choice(nonlinearity, f"{name}: nonlinearity", *GAINS)
    if nonlinearity != "leaky_relu":
        return GAINS[nonlinearity]
    if isinstance(slope, bool):
        raise arguments.wrong(f"{name}: {argument}", "a number", slope)
    slope = 0.01 if slope is None else _finite(f"{name}: {argument}", slope)
    return math.sqrt(2.0 / (1.0 + slope * slope))


def _xavier_std(name: str, tensor: Filled, gain: float) -> float:
    gain = _finite(f"{name}: gain", gain, least=0)
    return gain * math.sqrt(2.0 / max(sum(_fans(name, tensor.shape, least=0)), 1))


def _kaiming_std(name: str, tensor: Filled, a: float, mode: Mode, nonlinearity: str) -> float:
    """gain / sqrt(fan), after a warning if there is nothing to initialise."""
    arguments.choice(mode, f"{name}: mode", "fan_in", "fan_out")
    gain = _gain(name, nonlinearity, a, "a")
    if not math.prod(tensor.shape):
        warn(f"{name}: the tensor has no elements, shape {tensor.shape}; nothing is initialised")
        return 0.0
    fan_in, fan_out = _fans(name, tensor.shape)
    return gain / math.sqrt(fan_in if mode == "fan_in" else fan_out)


@recorded.each_time
def _between(count: int, low: float, high: float) -> Array:
    """Standard normal numbers (float64) from low to high.

    Candidates are normal if many of those would be accepted.  Else they are peak + d, peak being
    the likeliest number there and d uniform where the density is more than 2^-53 of that of the
    peak; each is accepted in proportion to its density.
    """
    low, high = max(min(low, 1e300), -1e300), max(min(high, 1e300), -1e300)
    wide = math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)) > 0.6
    peak = max(low, min(0.0, high))
    limit = 2 * 53 * math.log(2)
    reach = limit / (math.hypot(peak, math.sqrt(limit)) + abs(peak))
    start, end = max(low - peak, -reach), min(high - peak, reach)
    found, missing = np.empty(count), np.arange(count)
    while missing.size:
        if wide:
            tried = Tensor.randn(missing.size, dtype=np.float64).numpy()
            taken = (low <= tried) & (tried <= high)
        else:
            d = Tensor.uniform(missing.size, low=start, high=end, dtype=np.float64).numpy()
            tried = peak + d
            height = Tensor.rand(missing.size, dtype=np.float64).numpy()
            taken = height < np.exp(-d * (2 * peak + d) / 2)
        found[missing[taken]] = tried[taken]
        missing = missing[~taken]
    return found


def _write(tensor: Filled, values: Any) -> Filled:
    """Write the values into the tensor's memory, outside the graph, which is told."""
    array = tensor.data if isinstance(tensor, Tensor) else tensor
    with np.errstate(all="ignore"):
        np.copyto(array, values.numpy() if isinstance(values, Tensor) else values, "unsafe")
    if isinstance(tensor, Tensor):
        tensor.mark_changed()
    return tensor


def _writable(name: str, tensor: Filled, ranks: tuple[int, ...] = ()) -> Filled:
    """The tensor itself, if it is one that can be written, with one of these numbers of axes."""
    array: Any = tensor.data if isinstance(tensor, Tensor) else tensor
    numbers = isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
    if not numbers or array.dtype.itemsize > 8:
        raise arguments.wrong(f"{name}: tensor", "a Tensor", tensor)
    if not array.flags.writeable:
        raise ValueError(f"{name}: the tensor's memory is read-only or expanded; clone() it first")
    if ranks and array.ndim not in ranks:
        allowed = " or ".join(map(str, ranks)) if len(ranks) < 3 else f"{ranks[0]} to {ranks[-1]}"
        raise ValueError(f"{name}: expected a tensor with {allowed} axes; got {array.shape}")
    return tensor


def _floats(name: str, tensor: Filled, generator: None) -> np.dtype[Any]:
    """The dtype of a writable tensor of floats."""
    if _writable(name, tensor).dtype.kind != "f":
        raise TypeError(f"{name}: tensor: expected a float dtype; got {tensor.dtype}")
    if generator is not None:
        raise arguments.wrong(f"{name}: generator", "None, Tensor.manual_seed decides", generator)
    return tensor.dtype


def _finite(name: str, value: float, least: float = -math.inf) -> float:
    """`value` as a finite number of at least `least`."""
    number = arguments.number(value, name)
    if not (math.isfinite(number) and number >= least):
        expected = "a finite number" + (" of 0 or more" if least == 0 else "")
        raise ValueError(f"{name}: expected {expected}; got {number}")
    return number


def _fans(name: str, shape: tuple[int, ...], least: int = 1) -> tuple[int, int]:
    """The fan-in and the fan-out of a shape."""
    shape = arguments.sizes(shape, f"{name}: shape", least=None)
    if len(shape) < 2 or min(shape) < least:
        without = " without zeros" if least else ""
        raise ValueError(f"{name}: expected a shape (out, in, ...){without}; got {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
