"""NumPy's elementwise functions on tensors, with NumPy's arguments and defaults."""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..arrays.dtypes import new_array
from ..engine.graph import TensorBase
from ..methods._elementwise import choose, constant
from ..methods._operands import cast, pair, tensor_or_array
from ..methods.comparison import close
from ..methods.elementwise import ElementwiseMethods
from ..methods.trigonometry import TrigonometryMethods
from ..ops.arithmetic import Fmod
from ..ops.trigonometry import Atan2


def _either(
    function: Callable[[Any, Any], Any], reflected: str | None = None
) -> Callable[[Any, Any], Any]:
    """A function of two operands, either of which is the tensor.

    reflected   the method for a tensor on the right; None if the function is commutative
    """

    def call(a: Any, b: Any) -> Any:
        if isinstance(a, TensorBase):
            return function(a, b)
        return getattr(b, reflected)(a) if reflected else function(b, a)

    return call


def _constant(ufunc: Any) -> Callable[[Any, Any], Any]:
    """A function of two operands without a useful derivative."""

    def call(a: Any, b: Any) -> Any:
        return constant(ufunc, f"np.{ufunc.__name__}", a, b)

    return call


def _unary(name: str) -> Callable[[Any], Any]:
    """A function of one argument: the method of this name."""

    def call(x: Any) -> Any:
        return getattr(x, name)()

    return call


def _float_power(a: Any, b: Any) -> Any:
    wide = (tensor_or_array(x, "np.float_power") for x in (a, b))
    return operator.pow(*(cast(x, np.float64) for x in wide))


def _copysign(a: Any, b: Any) -> Any:
    if isinstance(a, ElementwiseMethods):
        return a.copysign(b)
    return constant(np.copysign, "copysign", a, b)


def _reciprocal(x: Any) -> Any:
    whole = x.dtype.kind != "f"  # NumPy's reciprocal of an integer is an integer
    return x.div(1, reverse=True, rounding_mode="trunc") if whole else x.reciprocal()


def _clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("np.clip: expected each bound once; got a_min and min, or a_max and max")
    low, high = a_min if min is None else min, a_max if max is None else max
    if not isinstance(x, TensorBase):
        x = _tensor_class(low, high)._wrap(new_array(x), None)
    return x.clip(low, high)


def _tensor_class(*values: Any) -> type[TensorBase]:
    return next(type(value) for value in values if isinstance(value, TensorBase))


def _where(condition: Any, a: Any, b: Any) -> Any:
    return choose(condition, a, b, _tensor_class(condition, a, b))


SAME_NAME = (
    *(np.square, np.sqrt, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p),
    *(np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh),
    *(np.sign, np.ceil, np.floor, np.trunc),
    *(np.isnan, np.isinf, np.isfinite, np.logical_not),
)
OTHER_NAME = {
    np.arcsin: "asin",
    np.arccos: "acos",
    np.arctan: "atan",
    np.arcsinh: "asinh",
    np.arccosh: "acosh",
    np.arctanh: "atanh",
    np.absolute: "abs",
    np.rint: "round",
    np.fabs: "abs",
}
UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: _either(operator.add, "__radd__"),
    np.subtract: _either(operator.sub, "__rsub__"),
    np.multiply: _either(operator.mul, "__rmul__"),
    np.true_divide: _either(operator.truediv, "__rtruediv__"),
    np.power: _either(operator.pow, "__rpow__"),
    np.float_power: _float_power,
    np.remainder: _either(operator.mod, "__rmod__"),
    np.floor_divide: _either(operator.floordiv, "__rfloordiv__"),
    np.fmod: lambda a, b: Fmod.apply(*pair("fmod", a, b)),
    np.arctan2: lambda a, b: Atan2.apply(*pair("np.arctan2", a, b, floating=True)),
    np.hypot: _either(TrigonometryMethods.hypot),
    np.logaddexp: _either(ElementwiseMethods.logaddexp),
    np.copysign: _copysign,
    np.divmod: _either(divmod, "__rdivmod__"),
    **{
        ufunc: _constant(ufunc)
        for ufunc in (
            *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
            *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift),
            *(np.logical_and, np.logical_or, np.logical_xor),
        )
    },
    np.invert: operator.invert,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.maximum: _either(ElementwiseMethods.maximum),
    np.minimum: _either(ElementwiseMethods.minimum),
    **{ufunc: _unary(ufunc.__name__) for ufunc in SAME_NAME},
    **{ufunc: _unary(name) for ufunc, name in OTHER_NAME.items()},
    np.reciprocal: _reciprocal,
}

ELEMENTWISE: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.round: lambda x, decimals=0: x.round(decimals),
    np.around: lambda x, decimals=0: x.round(decimals),
    np.fix: lambda x: x.trunc(),
    np.sinc: lambda x: x.sinc(),
    np.nan_to_num: lambda x, copy=True, nan=0.0, posinf=None, neginf=None: x.nan_to_num(
        nan, posinf, neginf
    ),
    np.isclose: partial(close, "np.isclose"),
    np.allclose: lambda a, b, rtol=1e-05, atol=1e-08, equal_nan=False: bool(
        close("np.allclose", a, b, rtol, atol, equal_nan)._data.all()
    ),
    np.astype: lambda x, dtype: x.astype(dtype),
}
