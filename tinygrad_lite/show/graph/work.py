"""Floating-point operations of every primitive, forward and backward, from shapes alone.

What counts, whatever the hardware or NumPy's way to compute it:

- an addition, multiplication, division, comparison or change of sign of two numbers is 1, so a
  multiply-add is 2;
- an elementary or special function of NumPy's kind (exp, log, sqrt, tanh, erf, hypot) is 1 too; one
  that its docstring composes of others (sigmoid, softplus, gelu) is the sum of its formula;
- a sum of k numbers is k - 1;
- moving, reading, casting and selecting numbers is 0;
- a convolution multiplies with its padding as well, as its matrix product does;
- a factorisation counts its leading terms (G. Golub and C. Van Loan, Matrix Computations, 2013).

Backward is the rule in the op's class, for those gradients only that are wanted (`needs`), and the
sum that undoes a broadcast.  Adding up the gradients of a value that is used several times belongs
to no op, and is not counted.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...arrays.shapes import Shape
from ...engine.graph import TensorBase
from ...ops import (
    activations,
    arithmetic,
    convolution,
    decompositions,
    determinants,
    elementwise,
    indexing,
    linalg,
    losses,
    movement,
    normalisation,
    pooling,
    recurrent,
    reduce,
    scan,
    selection,
)
from ...ops import trigonometry as trig


class Work(NamedTuple):
    """Floating-point operations."""

    forward: int
    backward: int


class Unknown(Exception):
    """A shape that a count needs is not known."""


class Call:
    """One call of an op: the op, and the shapes of its inputs and results, None where unknown."""

    def __init__(
        self, op: Any, inputs: Sequence[Shape | None], results: Sequence[Shape | None]
    ) -> None:
        self.op, self.inputs, self.results = op, inputs, results
        self.needs: tuple[bool, ...] = op.needs

    def shape(self, position: int) -> Shape:
        """The shape of an input.  Unknown if it is not known."""
        found = self.inputs[position] if position < len(self.inputs) else None
        if found is None:
            raise Unknown
        return found

    def like(self, position: int) -> Shape:
        """The shape of an input that the result has too, from whichever is known."""
        return self.shape(position) if self.given(position) else self.result

    def size(self, position: int) -> int:
        """The number of elements of an input.  Unknown if it is not known."""
        return prod(self.shape(position))

    def given(self, position: int) -> bool:
        """Whether an input that may be None is a tensor or an array."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def wanted(self, position: int) -> int:
        """1 if the gradient of this input is wanted, else 0: a factor."""
        return int(position < len(self.needs) and self.needs[position])

    @property
    def result(self) -> Shape:
        """The shape of the first result.  Unknown if it is not known."""
        return self.result_at(0)

    def result_at(self, *positions: int) -> Shape:
        """The shape of the first of these results that is known."""
        for position in positions:
            found = self.results[position] if position < len(self.results) else None
            if found is not None:
                return found
        raise Unknown

    @property
    def elements(self) -> int:
        """The number of elements of the first result."""
        return prod(self.result)


def work(op: Any, inputs: Sequence[Shape | None], results: Sequence[Shape | None]) -> Work | None:
    """The floating-point operations of a call; None for an op of the user's, or unknown shapes.

    op       an instance of a primitive, with its options and `needs`
    inputs   their shapes; () for a number, None for what is no array
    results  their shapes
    """
    call = Call(op, inputs, results)
    count = COUNTS.get(type(op))
    each = ELEMENTWISE.get(type(op))
    try:
        if count is not None:
            return Work(*(max(int(number), 0) for number in count(call)))
        if each is None:
            return None
        n = call.elements if type(op) is not activations.Gelu else call.size(0)
        backward = sum(k * n * call.wanted(i) for i, k in enumerate(each[1:]))
        return Work(each[0] * n, backward + _unbroadcast(call, n))
    except Unknown:
        return None


def _unbroadcast(call: Call, n: int) -> int:
    """The additions that sum a gradient of n elements back to each wanted input's shape."""
    if not call.op.broadcasts:
        return 0
    sizes = [call.size(i) for i, need in enumerate(call.needs) if need]
    return sum(n - size for size in sizes if 0 < size < n)


def shape_of(value: Any) -> Shape | None:
    """The shape of an input: () for a number, None for what is neither an array nor a number."""
    if isinstance(value, (np.ndarray, np.generic, TensorBase)):
        return value.shape  # type: ignore[union-attr]
    return () if isinstance(value, (int, float)) else None


# Elementwise: operations per element of the result, forward and then backward for each input.

ELEMENTWISE: dict[type, tuple[int, ...]] = {
    elementwise.Exp: (1, 1),
    elementwise.Log: (1, 1),
    elementwise.LogBase: (1, 2),
    elementwise.Expm1: (1, 2),
    elementwise.Log1p: (1, 2),
    elementwise.Logaddexp: (1, 6, 6),  # a difference, a sigmoid, a product
    elementwise.Xlogy: (2, 2, 2),
    elementwise.Erf: (1, 5),
    elementwise.Sqrt: (1, 2),
    elementwise.Tanh: (1, 3),
    elementwise.Sigmoid: (4, 3),
    elementwise.Cast: (0, 0),
    arithmetic.Add: (1, 0, 0),
    arithmetic.Sub: (1, 0, 1),
    arithmetic.Mul: (1, 1, 1),
    arithmetic.Div: (1, 1, 4),
    arithmetic.Neg: (1, 1),
    arithmetic.Pow: (1, 3, 3),
    arithmetic.Mod: (1, 0, 3),
    arithmetic.Fmod: (1, 0, 3),
    arithmetic.FloorDivide: (1, 0, 0),
    trig.Sin: (1, 2),
    trig.Cos: (1, 3),
    trig.Tan: (1, 3),
    trig.Asin: (1, 4),
    trig.Acos: (1, 5),
    trig.Atan: (1, 3),
    trig.Atan2: (1, 4, 5),
    trig.Hypot: (1, 2, 2),
    trig.Sinh: (1, 2),
    trig.Cosh: (1, 2),
    trig.Asinh: (1, 2),
    trig.Acosh: (1, 6),
    trig.Atanh: (1, 3),
    trig.Sinc: (1, 2),
    selection.Mask: (0, 0),
    selection.Relu: (1, 1),
    selection.Maximum: (1, 3, 3),  # are they equal, half of g, which one is selected
    selection.Minimum: (1, 3, 3),
    selection.Clip: (2, 2, 1, 1),
    selection.Where: (0, 0, 0),
    selection.Step: (1, 0),
    selection.Abs: (1, 2),
    movement.Expand: (0, 0),
    activations.Softplus: (6, 5),
    activations.Softsign: (3, 4),
    activations.Gate: (1, 1, 1),
    activations.Gelu: (9, 9),
    activations.GeluSlope: (8, 7, 9),
    losses.BinaryCrossEntropy: (9, 6, 7),
    losses.Huber: (5, 3),
}

Count = tuple[float, float]


# Reductions and scans.  x is the number of elements of the input, y that of the result.


def _reduction(forward: float, backward: float) -> Callable[[Call], Count]:
    """So many operations for each element of the input, but for the first in each sum."""

    def count(call: Call) -> Count:
        x = call.size(0)
        return forward * x - min(call.elements, x), call.wanted(0) * backward * x

    return count


def _mean(call: Call) -> Count:
    return call.size(0), call.wanted(0) * call.elements


def _extreme(call: Call) -> Count:
    x, y = call.size(0), call.elements
    return max(x - y, 0), call.wanted(0) * (2 * x)  # does it attain y; how many; y shares


def _norm(call: Call) -> Count:
    x = call.size(0)
    square = call.op.p == 2
    return (2 if square else 3) * x, call.wanted(0) * (2 if square else 6) * x


def _scan(forward: int, backward: int) -> Callable[[Call], Count]:
    return lambda call: (forward * call.size(0), call.wanted(0) * backward * call.size(0))


def _recurrence(call: Call) -> Count:
    y = call.elements
    return 2 * y, 2 * y * max(call.wanted(0), call.wanted(1)) + y * call.wanted(0)


# Moving: what the transpose of a view adds up.


def _nothing(call: Call) -> Count:
    return 0, 0


def _windows(call: Call) -> Count:
    """Windows that may overlap: backward adds them up."""
    return 0, call.wanted(0) * call.elements


def _added_windows(call: Call) -> Count:
    return call.size(0), 0


def _getitem(call: Call) -> Count:
    return 0, 0 if call.op.distinct else call.wanted(0) * call.elements


def _scatter_add(call: Call) -> Count:
    return 0 if call.op.distinct else call.size(0), 0


def _scatter_extreme(call: Call) -> Count:
    x, value = call.size(0), call.size(1)
    # Which attain the extreme, how many they are, and g over their number.
    return value, (2 * value + 4 * x) * max(call.wanted(0), call.wanted(1))


# Matrices.


def _matmul(call: Call) -> Count:
    inner = call.shape(0)[-1] if call.given(0) else call.shape(1)[-2:][0]
    product = 2 * call.elements * inner
    backward = 0
    for position in (0, 1):
        if call.wanted(position):
            backward += product
            if min(call.op.ranks) > 2:  # a stack that was broadcast is summed
                shape = call.shape(position)
                stack = prod(call.result[:-2]) * prod(shape[-2:])
                backward += max(stack - prod(shape), 0)
    return product, backward


def _linear(call: Call) -> Count:
    out = call.result
    n = prod(out)
    weight_axis = 1 if call.op.transposed else 0
    inner = call.shape(0)[-1] if call.given(0) else call.shape(1)[weight_axis]
    product = 2 * n * inner
    backward = product * (call.wanted(0) + call.wanted(1)) + _bias(call, 2, n, out[-1])
    return product + n * call.given(2), backward


def _bias(call: Call, position: int, n: int, size: int) -> int:
    """The additions for the gradient of a bias, a sum of n numbers to `size` ones."""
    return call.wanted(position) * max(n - size, 0)


def _square(call: Call) -> tuple[int, int]:
    """The number of matrices of the first input, and n^3, n being their size."""
    shape = call.shape(0)
    return prod(shape[:-2]), shape[-1] ** 3


def _inverse(call: Call) -> Count:
    count, cube = _square(call)
    return 2 * cube * count, call.wanted(0) * (4 * cube * count + call.size(0))


def _solve(call: Call) -> Count:
    count, cube = _square(call)
    substitution = 2 * call.elements * call.shape(0)[-1]
    solved = 2 / 3 * cube * count + substitution
    backward = solved + call.wanted(0) * (substitution + call.size(0))
    return solved, max(call.wanted(0), call.wanted(1)) * backward


def _determinant(call: Call) -> Count:
    count, cube = _square(call)
    return 2 / 3 * cube * count, call.wanted(0) * (_cofactor(call)[0] + call.size(0))


def _cofactor(call: Call) -> Count:
    """The singular values, det(u v^T), and two products; for the derivative all n^3 products."""
    count, cube = _square(call)
    forward = (22 + 2 / 3 + 4) * cube * count
    return forward, call.wanted(0) * (22 + 2 * 4 + 1) * cube * count


def _logarithm_of_determinant(call: Call) -> Count:
    count, cube = _square(call)
    return 2 / 3 * cube * count, call.wanted(0) * (2 * cube * count + call.size(0))


def _cholesky(call: Call) -> Count:
    count, cube = _square(call)
    # The inverse, a product, and two more with the inverse.
    return cube * count / 3, call.wanted(0) * (2 + 3 * 2) * cube * count


def _tall(call: Call) -> tuple[int, int, int]:
    """The number of matrices, their longer and their shorter side."""
    shape = call.shape(0)
    return prod(shape[:-2]), max(shape[-2:]), min(shape[-2:])


def _qr(call: Call) -> Count:
    count, n, m = _tall(call)
    # Householder's reflections, for r and again for q.
    forward = 4 * n * m**2 - 4 / 3 * m**3
    # r gr^T, gq^T q, q S, and a system with m^2 n for the substitution.
    backward = 2 * m**3 + 4 * n * m**2 + 2 / 3 * m**3 + 2 * n * m**2
    return count * forward, call.wanted(0) * count * backward


def _svd(call: Call) -> Count:
    count, n, m = _tall(call)
    forward = 14 * n * m**2 + 8 * m**3  # Golub and Reinsch, with both factors
    return count * forward, call.wanted(0) * count * (8 * n * m**2 + 4 * m**3)


def _eigh(call: Call) -> Count:
    count, cube = _square(call)
    return 9 * cube * count, call.wanted(0) * 6 * cube * count


# Images.


def _taps(call: Call) -> int:
    return prod(call.op.windows.kernel)


def _conv(call: Call) -> Count:
    out = call.result
    n = prod(out)
    # Channels that one output channel reads.
    channels = call.shape(1)[1] if call.given(1) else call.shape(0)[1] // call.op.groups
    product = 2 * n * _taps(call) * channels
    backward = product * (call.wanted(0) + call.wanted(1)) + _bias(call, 2, n, out[1])
    return product + n * call.given(2), backward


def _conv_input(call: Call) -> Count:
    product = 2 * call.size(0) * _taps(call) * call.shape(1)[1]
    return product, product * (call.wanted(0) + call.wanted(1))


def _conv_weight(call: Call) -> Count:
    product = 2 * call.size(1) * _taps(call) * (call.shape(0)[1] // call.op.groups)
    return product, product * (call.wanted(0) + call.wanted(1))


def _sum_pool(call: Call) -> Count:
    taps = _taps(call)
    return call.elements * (taps - 1), call.wanted(0) * call.elements * taps


def _max_pool(call: Call) -> Count:
    return call.elements * (_taps(call) - 1), call.wanted(0) * call.elements


# Softmax and normalisation.  `rows` is the number of means or sums.


def _softmax(call: Call) -> Count:
    """Largest, difference, exp, sum, quotient; backward a product, a sum, a difference, a product.

    The two reductions are x - rows each.
    """
    x = call.size(0)
    rows = x // max(prod(call.shape(0)[axis] for axis in call.op.axes), 1)
    masked = x if getattr(call.op, "mask", None) is not None else 0
    return 5 * x - 2 * rows + masked, call.wanted(0) * (4 * x - rows)


def _log_softmax(call: Call) -> Count:
    x = call.size(0)
    rows = x // max(prod(call.shape(0)[axis] for axis in call.op.axes), 1)
    return 5 * x - 2 * rows + rows, call.wanted(0) * (4 * x - rows)


def _cross_entropy(call: Call) -> Count:
    shape = call.shape(0)
    # As softmax; a logarithm and a difference for each row, which the two sums have one less.
    return 5 * prod(shape), call.wanted(0) * 2 * prod(shape)


def _standardised(call: Call, rows: int) -> int:
    """(x - mean) r: two means, a difference, a square, a product; 3 for each r."""
    return 5 * prod(call.like(0)) + 3 * rows


def _rows(call: Call, axes: Sequence[int]) -> int:
    shape = call.like(0)
    return prod(shape) // max(prod(shape[axis] for axis in axes), 1)


def _layer_norm(call: Call) -> Count:
    return _standardised(call, _rows(call, call.op.axes)), call.wanted(0) * 7 * prod(call.like(0))


def _affine(call: Call, forward: int, size: int) -> Count:
    """A standardised x times w plus b: what w and b add to it, forward and backward."""
    x = prod(call.like(0))
    scaled, shifted = call.given(1), call.given(2)
    backward = call.wanted(0) * (7 + scaled) * x
    backward += call.wanted(1) * max(2 * x - size, 0) + call.wanted(2) * max(x - size, 0)
    return forward + (scaled + shifted) * x, backward


def _layer_norm_affine(call: Call) -> Count:
    shape, sizes = call.like(0), call.op.sizes
    rows = _rows(call, range(len(shape) - len(sizes), len(shape)))
    return _affine(call, _standardised(call, rows), prod(sizes))


def _batch_norm(call: Call) -> Count:
    channels = call.like(0)[1]
    return _affine(call, _standardised(call, channels), channels)


def _group_norm(call: Call) -> Count:
    images, channels = call.like(0)[:2]
    return _affine(call, _standardised(call, images * call.op.groups), channels)


def _rms_norm(call: Call) -> Count:
    x, scaled = prod(call.like(0)), call.given(1)
    forward = 3 * x + 3 * _rows(call, call.op.axes) + scaled * x  # square, mean, product
    both = 2 * x  # n = x r and g n
    backward = both * max(call.wanted(0), call.wanted(1))
    # h = g w, the mean of h n, n times it, a difference, a product with r.
    backward += call.wanted(0) * (4 + 2 * scaled) * x
    if call.wanted(1):
        backward += max(x - call.size(1), 0)
    return forward, backward


def _channel_affine(call: Call) -> Count:
    x, channels = prod(call.like(0)), call.like(0)[1]
    forward = x * (1 + call.given(1) + call.given(3))
    backward = call.wanted(0) * x
    backward += call.wanted(2) * ((2 + call.given(1)) * x - channels)
    if call.wanted(1) or call.wanted(3):
        backward += x - channels
    return forward, backward + call.wanted(1) * 2 * channels


# Recurrent networks.  A state of h numbers; `rows` are those of all steps together.

LSTM_GATES = 18  # three sigmoids, a tanh, f c + i g, o tanh(c)
LSTM_SLOPES = 26  # tanh(c) again 4, the total of c 5, f 1, dz 4, slopes 8, their products 4


def _lstm_cell(call: Call) -> Count:
    rows, h = call.result_at(0, 1)
    inputs = call.shape(0)[1] if call.given(0) else call.shape(3)[1]
    of_x, of_h = 2 * rows * 4 * h * inputs, 2 * rows * 4 * h * h
    biases = call.given(5) + call.given(6)
    forward = of_x + of_h + rows * h * (LSTM_GATES + 4 * (1 + biases))
    backward = rows * h * LSTM_SLOPES
    backward += of_x * (call.wanted(0) + call.wanted(3)) + of_h * (call.wanted(1) + call.wanted(4))
    if call.wanted(5) or call.wanted(6):
        backward += max(rows - 1, 0) * 4 * h
    return forward, backward


def _rnn(call: Call) -> Count:
    rows, h = call.like(0)
    product = 2 * rows * h * h
    slope = 1 if call.op.relu else 3
    return product + 2 * rows * h, product * (1 + call.wanted(2)) + (slope + 1) * rows * h


def _lstm(call: Call) -> Count:
    rows = call.result_at(0, 1, 2)[0]
    h = (call.shape(0)[1] if call.given(0) else call.shape(3)[0]) // 4
    entering = call.shape(3)[1]  # h, or the size of the projection
    product = 2 * rows * 4 * h * entering
    forward = product + rows * h * (LSTM_GATES + 4)
    backward = product * (1 + call.wanted(3)) + rows * (LSTM_SLOPES * h + entering)
    if call.given(4):
        projected = 2 * rows * entering * h
        forward += projected
        backward += projected * (1 + call.wanted(4))
    return forward, backward


def _gru(call: Call) -> Count:
    rows = call.result_at(0, 1)[0]
    triple = call.shape(0)[1] if call.given(0) else call.shape(2)[0]
    h = triple // 3
    product = 2 * rows * triple * h
    forward = product + rows * h * (16 + 3 * call.given(3))
    backward = product * (1 + call.wanted(2)) + 16 * rows * h
    return forward, backward + call.wanted(3) * max(rows - 1, 0) * triple


COUNTS: dict[type, Callable[[Call], Count]] = {
    reduce.Sum: _reduction(1, 0),
    reduce.Mean: _mean,
    reduce.Max: _extreme,
    reduce.Min: _extreme,
    reduce.Prod: _reduction(1, 4),
    reduce.Centre: _scan(2, 2),
    reduce.Norm: _norm,
    scan.CumSum: _scan(1, 1),
    scan.Recurrence: _recurrence,
    scan.CumProd: _scan(1, 3),
    scan.LogCumSumExp: _scan(1, 7),
    movement.Reshape: _nothing,
    movement.Permute: _nothing,
    movement.Concatenate: _nothing,
    movement.Split: _nothing,
    movement.Unstack: _nothing,
    movement.Pad: _nothing,
    movement.Unfold: _windows,
    movement.Fold: _added_windows,
    indexing.Getitem: _getitem,
    indexing.ScatterAdd: _scatter_add,
    indexing.Setitem: _nothing,
    indexing.ScatterExtreme: _scatter_extreme,
    indexing.Diagonal: _nothing,
    linalg.Matmul: _matmul,
    linalg.Linear: _linear,
    linalg.Inv: _inverse,
    linalg.Solve: _solve,
    determinants.Det: _determinant,
    determinants.Cofactor: _cofactor,
    determinants.Slogdet: _logarithm_of_determinant,
    decompositions.Cholesky: _cholesky,
    decompositions.QR: _qr,
    decompositions.SVD: _svd,
    decompositions.Eigh: _eigh,
    convolution.Conv: _conv,
    convolution.ConvInput: _conv_input,
    convolution.ConvWeight: _conv_weight,
    pooling.SlidingWindows: _windows,
    pooling.OverlapAdd: _added_windows,
    pooling.SumPool: _sum_pool,
    pooling.MaxPool: _max_pool,
    pooling.MaxUnpool: _added_windows,
    activations.Softmax: _softmax,
    activations.LogSoftmax: _log_softmax,
    normalisation.LayerNorm: _layer_norm,
    normalisation.LayerNormAffine: _layer_norm_affine,
    normalisation.RMSNorm: _rms_norm,
    normalisation.BatchNorm: _batch_norm,
    normalisation.GroupNorm: _group_norm,
    normalisation.ChannelAffine: _channel_affine,
    recurrent.LSTMCell: _lstm_cell,
    recurrent.RNN: _rnn,
    recurrent.LSTM: _lstm,
    recurrent.GRU: _gru,
    losses.CrossEntropy: _cross_entropy,
}
