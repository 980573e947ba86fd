"""Nothing leaves the graph silently.

NumPy and other libraries ask a tensor for its array, and Python asks it for a float; what they
compute from these is a constant.  Where a graph would be lost,
- an operation raises: NumPy's of a list of tensors, pandas' and SciPy's with a tensor on the right;
- a conversion warns, once for each line of the user's: np.asarray, plots, scikit-learn.
Inside no_grad and in numpy.testing there is nothing to lose.
"""

from types import FrameType

import numpy as np

from ..engine.recording import is_grad_enabled
from ..mistakes.telling import once
from .callers import OURS, callers, module, operator_or_callee, package

# Functions of NumPy, written in Python, that only convert, and those that only look.
CONVERSIONS = ("require", "asarray_chkfinite")
LOOKS = ("shape", "ndim", "size", "allclose", "isclose", "array_equal")
# Arithmetic by name: a function of a library that is called so takes the tensor for a constant.
ARITHMETIC = {
    *("add", "sub", "subtract", "mul", "multiply", "div", "divide", "truediv", "floordiv", "mod"),
    *("radd", "rsub", "rmul", "rdiv", "rtruediv", "rfloordiv", "rmod", "pow", "rpow", "power"),
    *("dot", "matmul", "maximum", "minimum", "sum", "mean", "prod", "std", "var"),
}

LIST = "make one Tensor of the list, as Tensor(list) and Tensor.stack do"
OPERAND = "make an ndarray of the other operand, as to_numpy(), toarray() and filled() do"


def in_other_library() -> bool:
    """Whether a library other than NumPy and ours, which the user called, or a test is running."""
    inside = callers(depth=1)[1]
    return _testing(inside) or any(package(frame) not in OURS for frame in inside)


def leave_for_array() -> None:
    """An array is wanted of a tensor that requires grad, by what called the caller of this.

    Errors: RuntimeError if an operation wants it.
    """
    if not is_grad_enabled():
        return
    user, inside = callers(depth=2)
    if _harmless(inside):
        return
    name = _operation(user, inside)
    if name is not None:
        foreign = [f for f in inside if package(f) not in OURS or module(f).startswith("numpy.ma.")]
        raise _lost(name, OPERAND if foreign else LIST)
    _warn(user, "an ndarray", "t.numpy() or t.detach()")


def leave_for_float() -> None:
    """The same for a float, which only operators want for an operation, and "%.3f" % t for text."""
    if not is_grad_enabled():
        return
    user, inside = callers(depth=2)
    if _harmless(inside) or operator_or_callee((*inside, user)[0]) == "%":
        return
    sign = operator_or_callee(user)
    if isinstance(sign, str):
        raise _lost(sign, OPERAND)
    _warn(user, "a float", "t.item()")


def leave_for_leaf() -> None:
    """The same for Tensor(t), which is never an operation."""
    if is_grad_enabled():
        _warn(callers(depth=2)[0], "a new leaf", "t.detach(), or t.clone() to keep the graph,")


def _lost(name: str, fix: str) -> RuntimeError:
    return RuntimeError(
        f"{name}: a Tensor that requires grad would become a constant, and its gradient would be "
        f"lost; {fix}, or detach() the Tensor"
    )


def _harmless(inside: list[FrameType]) -> bool:
    """Whether NumPy only asks for sizes, or compares as in a test."""
    if _testing(inside):
        return True
    return bool(inside) and package(inside[-1]) == "numpy" and inside[-1].f_code.co_name in LOOKS


def _testing(inside: list[FrameType]) -> bool:
    return any(module(frame).startswith("numpy.testing") for frame in inside)


def _warn(user: FrameType, made: str, instead: str) -> None:
    once(
        f"a Tensor that requires grad became {made}, through which no gradient flows; "
        f"write {instead} if that is meant",
        UserWarning,
        user,
    )


def _operation(user: FrameType, inside: list[FrameType]) -> str | None:
    """The name of the operation that wants an array; None for a conversion."""
    if inside:
        named = [frame for frame in inside if "<" not in frame.f_code.co_qualname]  # no decorator's
        called = (named or inside)[-1]
        name = called.f_code.co_name
        numeric = all(package(frame) in OURS for frame in inside)
        if (numeric and name not in CONVERSIONS) or name in ARITHMETIC:
            if package(called) == "tinygrad_lite":  # without its class
                return called.f_code.co_qualname.removesuffix(".__init__").rpartition(".")[2]
            return f"{called.f_code.co_qualname} of {package(called)}"
    running = operator_or_callee(user)
    if isinstance(running, str):
        return running
    if inside:
        return None
    owner = getattr(running, "__self__", None)
    if getattr(running, "__module__", None) == "_operator" and running.__name__ != "setitem":
        return f"operator.{running.__name__}"
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{running.__name__}"
    if isinstance(running, (np.ufunc, type(np.dot))):
        return f"np.{running.__name__}"
    if isinstance(owner, np.ndarray) and running.__name__ in ARITHMETIC:
        return f"ndarray.{running.__name__}"
    return None
