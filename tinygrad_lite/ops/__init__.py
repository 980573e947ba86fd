"""The primitives: operations with their own derivative, each a class on arrays.

One file per theme.  Each class states its formula, its derivative and its corner cases, and its
rule reads as the formula: where NumPy is slow, the faster way is a function in
`tinygrad_lite.arrays`.  The methods of Tensor (in `tinygrad_lite.methods`) are composed of them.
"""

# ruff: noqa: I001  # in reading order

from ..engine.function import Function, Primitive

# Elementwise: exponentials, logarithms, roots, dtypes.
from .elementwise import (
    Exp, Log, LogBase, Expm1, Log1p, Logaddexp, Erf, Sqrt, Tanh, Sigmoid, Cast,
)  # fmt: skip

# Elementwise arithmetic.
from .arithmetic import Add, Sub, Mul, Div, Neg, Pow, Mod, Fmod, FloorDivide

# Elementwise, trigonometric and hyperbolic.
from .trigonometry import (
    Sin, Cos, Tan, Asin, Acos, Atan, Atan2, Hypot, Sinh, Cosh, Asinh, Acosh, Atanh, Sinc,
)  # fmt: skip

# Elementwise selection: relu, maximum, clip, where.
from .selection import Mask, Relu, Maximum, Minimum, Clip, Where, Step, Abs

# Reductions along axes.
from .reduce import Sum, Mean, Max, Min, Prod, Centre, Norm

# Scans along an axis.
from .scan import CumSum, Recurrence, CumProd, LogCumSumExp

# Shapes: no arithmetic, often views.
from .movement import (
    Reshape, Permute, Expand, Concatenate, Split, Unstack, Pad, Unfold, Fold,
)  # fmt: skip

# Reading and writing by index.
from .indexing import Getitem, ScatterAdd, Setitem, ScatterExtreme, Diagonal

# Matrix products and inverses.
from .linalg import Matmul, Linear, Inv, Solve

# Determinants.
from .determinants import Det, Cofactor, Slogdet

# Matrix factorisations.
from .decompositions import Cholesky, QR, SVD, Eigh

# Convolution and its two adjoints.
from .convolution import Conv, ConvInput, ConvWeight

# Pooling and its adjoints.
from .pooling import SlidingWindows, OverlapAdd, SumPool, MaxPool, MaxUnpool

# Activations that are one primitive for accuracy or speed.
from .activations import Softplus, Gelu, GeluSlope, Softmax, LogSoftmax

# Normalisation.
from .normalisation import (
    LayerNorm, LayerNormAffine, RMSNorm, BatchNorm, GroupNorm, ChannelAffine,
)  # fmt: skip

# Recurrent networks.
from .recurrent import LSTMCell, RNN, LSTM, GRU

# Losses.
from .losses import CrossEntropy, BinaryCrossEntropy


def primitives() -> list[type[Primitive]]:
    """Every primitive: the leaf subclasses of Primitive, without users' Functions."""
    found, stack = [], [Primitive]
    while stack:
        for cls in stack.pop().__subclasses__():
            if cls is Function:
                continue
            stack.append(cls)
            if not cls.__subclasses__():
                found.append(cls)
    return found


__all__ = [
    "GRU", "LSTM", "QR", "RNN", "SVD", "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan",
    "Atan2", "Atanh", "BatchNorm", "BinaryCrossEntropy", "Cast", "Centre", "ChannelAffine",
    "Cholesky", "Clip", "Cofactor", "Concatenate", "Conv", "ConvInput", "ConvWeight", "Cos",
    "Cosh", "CrossEntropy", "CumProd", "CumSum", "Det", "Diagonal", "Div", "Eigh", "Erf", "Exp",
    "Expand", "Expm1", "FloorDivide", "Fmod", "Fold", "Gelu", "GeluSlope", "Getitem",
    "GroupNorm", "Hypot", "Inv", "LSTMCell", "LayerNorm", "LayerNormAffine", "Linear", "Log",
    "Log1p", "LogBase", "LogCumSumExp", "LogSoftmax", "Logaddexp", "Mask", "Matmul", "Max",
    "MaxPool", "MaxUnpool", "Maximum", "Mean", "Min", "Minimum", "Mod", "Mul", "Neg", "Norm",
    "OverlapAdd", "Pad", "Permute", "Pow", "Prod", "RMSNorm", "Recurrence", "Relu", "Reshape",
    "ScatterAdd", "ScatterExtreme", "Setitem", "Sigmoid", "Sin", "Sinc", "Sinh",
    "SlidingWindows", "Slogdet", "Softmax", "Softplus", "Solve", "Split", "Sqrt", "Step", "Sub",
    "Sum", "SumPool", "Tan", "Tanh", "Unfold", "Unstack", "Where",
    "primitives",
]  # fmt: skip
