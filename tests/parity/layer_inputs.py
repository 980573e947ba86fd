"""What a row of layer_cases.py holds: how to build the layer, and what it is called with.

Nothing here needs PyTorch, so that the table serves other tests too (tests/capturing).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import nn
from tinygrad_lite import Tensor

# Names that a case's text may use besides those of the library itself: "dtype=float64",
# "weight=tensor([1.0, 2.0])".
WIDTHS = ("float16", "float32", "float64")
OURS = {"tensor": Tensor, **{name: np.dtype(name) for name in WIDTHS}}


class Draw(NamedTuple):
    """An input: how its values are drawn, and whether its gradient is compared."""

    make: Callable[[np.random.Generator], Any]
    differentiated: bool = True


def normal(*shape):
    """Normal numbers: what a shape alone stands for in a case."""
    return Draw(lambda rng: rng.standard_normal(shape))


def positive(*shape):
    """Numbers from 0.3 to 2."""
    return Draw(lambda rng: rng.uniform(0.3, 2.0, shape))


def probabilities(*shape):
    """Numbers from 0.05 to 0.95."""
    return Draw(lambda rng: rng.uniform(0.05, 0.95, shape))


def distributions(*shape):
    """Probabilities along axis 1 that add up to 1."""
    return Draw(lambda rng: (p := rng.uniform(0.1, 1.0, shape)) / p.sum(1, keepdims=True))


def distinct(*shape):
    """Numbers from -1.5 to 1.5, none close to another, to 0, to 1/2 or to 1: away from corners."""
    size = int(np.prod(shape))
    return Draw(lambda rng: (rng.permutation(size) + 0.37).reshape(shape) * (3 / size) - 1.5)


def below(count, *shape):
    """Integers from 0 to count - 1."""
    return Draw(lambda rng: rng.integers(0, count, shape), differentiated=False)


def signs(*shape):
    """1.0 or -1.0, without a gradient."""
    return Draw(lambda rng: rng.choice([-1.0, 1.0], shape), differentiated=False)


def mask(*shape):
    """True or False."""
    return Draw(lambda rng: rng.random(shape) < 0.3, differentiated=False)


def given(values):
    """These values, without a gradient."""
    return Draw(lambda rng: np.array(values), differentiated=False)


def constant(draw):
    """The same numbers, of a draw or a shape, without a gradient."""
    return _draw(draw)._replace(differentiated=False)


class Case:
    """A layer, and what it is called with.

    layer    an expression, evaluated with the names of `nn` and with those of `torch.nn`:
             "Conv2d(3, 8, 3, padding='same')"; or a function of the library, then with a `name`
    inputs   each a shape, for normal numbers whose gradient is compared; a draw of those above; or
             a list of such, for an argument that is a tuple: [(4, 2), (4, 2)]
    call     keyword arguments of the call: draws and lists become tensors, the rest stays
    random   it draws numbers in training: only evaluation is compared
    second   False where PyTorch has no second derivative
    exact    the largest relative difference in float64; more where PyTorch rounds to float32
    """

    def __init__(self, layer, *inputs, call=None, name="", random=False, second=True, exact=1e-9):
        self.layer, self.inputs, self.call = layer, inputs, call or {}
        self.name = name or layer
        self.random, self.second, self.exact = random, second, exact

    def __repr__(self):
        return self.name

    def build(self, library=nn, names=OURS):
        """The layer, ours by default; names: those that its text may use besides the library's."""
        if callable(self.layer):
            return self.layer(library)
        return eval(self.layer, names | vars(library))

    def leaves(self, dtype, seed=3):
        """The arguments and the keyword arguments of a call, with a `Leaf` for each array."""
        rng = np.random.default_rng(seed)
        args = [_leaves(spec, rng, dtype) for spec in self.inputs]
        call = {
            name: _leaves(value, rng, dtype) if isinstance(value, (Draw, list)) else value
            for name, value in self.call.items()
        }
        return args, call


class Leaf(NamedTuple):
    """An input's values, and whether its gradient is compared."""

    array: np.ndarray
    differentiated: bool


def _draw(spec):
    return spec if isinstance(spec, Draw) else normal(*spec)


def _leaves(spec, rng, dtype):
    if isinstance(spec, list):
        return tuple(_leaves(each, rng, dtype) for each in spec)
    draw = _draw(spec)
    array = np.asarray(draw.make(rng))
    floating = array.dtype.kind == "f"
    return Leaf(array.astype(dtype) if floating else array, draw.differentiated and floating)


def mapped(function, value):
    """The value with each Leaf in it replaced."""
    if isinstance(value, Leaf):
        return function(value)
    if isinstance(value, tuple):
        return tuple(mapped(function, each) for each in value)
    return value


def flat(result):
    """The tensors of a result, which may be nested; None where there is none."""
    if isinstance(result, (tuple, list)):
        return [tensor for each in result for tensor in flat(each)]
    return [result]
