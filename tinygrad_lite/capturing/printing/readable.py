"""How a call is written: operators, methods, and formulas that have the same bits.

The rules choose the quickest way to an array; a reader wants the plainest.  Where both give the
same bits, FORMS says what is written for a function of this library.
"""

import inspect
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...arrays.selection import SMALL
from ..entries import Entry, Var
from .counts import is_number
from .expressions import (
    ATOM,
    OPERATORS,
    PLUS,
    POWER,
    SIGNS,
    TIMES,
    UNARY,
    Expr,
    binary,
    call,
    literal,
    method,
    numpy_name,
    reads_of,
    transpose,
)

# What the results of an operation are called, if not after their layer or their input.
RESULTS = {
    ("CrossEntropy", "p"): "softmax",
    ("Mean", "y"): "mean",
}

PYTHON: dict[Any, tuple[str, int]] = {
    operator.add: ("+", PLUS), operator.sub: ("-", PLUS), operator.mul: ("*", TIMES),
    operator.truediv: ("/", TIMES), operator.floordiv: ("//", TIMES), operator.mod: ("%", TIMES),
    operator.pow: ("**", POWER), operator.neg: ("-", UNARY), operator.pos: ("+", UNARY),
}  # fmt: skip

ELEMENTWISE = {np.add, np.subtract, np.multiply, np.divide}


def formula(op: str) -> str:
    """The first formula in the docstring of an operation: y = x w + b."""
    cls = getattr(ops, op, None)
    first = (inspect.getdoc(cls) or "").split("\n")[0] if isinstance(cls, type) else ""
    if not first[:2].startswith("y") and " = " not in first[:12]:
        return ""
    for end in (".  ", ", or x", ".\n", "  "):
        first = first.partition(end)[0]
    return first.rstrip(".,")


# Subscripts


def item(writer: Any, entry: Entry) -> Expr:
    """array[index]."""
    array, index = entry.args
    if isinstance(array, Var) and index == () and not array.value.ndim:
        found: Expr = writer.expr(array)
        return found
    largest = _row_maximum(writer, array, index)
    return largest if largest is not None else indexed(writer, array, index)


def indexed(writer: Any, array: Any, index: Any) -> Expr:
    """array[index], as text."""
    first = writer.expr(array)
    parts = index if isinstance(index, tuple) else (index,)
    words = [_subscript(writer, one) for one in parts]
    text = ", ".join(one.text for one in words) or "()"
    comma = (
        ","
        if len(words) == 1 and isinstance(index, tuple) and isinstance(parts[0], (Var, np.ndarray))
        else ""
    )
    return Expr(f"{first.within(ATOM)}[{text}{comma}]", reads=reads_of(first, *words))


def _subscript(writer: Any, one: Any) -> Expr:
    if not isinstance(one, slice):
        return writer.expr(one)
    parts = [
        None if part is None else writer.expr(part) for part in (one.start, one.stop, one.step)
    ]
    text = ":".join("" if part is None else part.text for part in parts[:2])
    text += "" if parts[2] is None else f":{parts[2].text}"
    return Expr(text, reads=reads_of(*parts))


def _row_maximum(writer: Any, array: Any, index: Any) -> Expr | None:
    """x.max(axis=1) for x[np.arange(n), x.argmax(1)], by which it is found."""
    if not (isinstance(index, tuple) and len(index) == 2 and isinstance(index[1], Var)):
        return None
    found = writer.defined.get((index[1], 0))
    if found is None or found.function not in (np.ndarray.argmax, np.argmax):
        return None
    if found.args[0] is not array or found.args[1:] != (1,) or array.value.ndim != 2:
        return None
    first = writer.expr(array)
    return Expr(f"{first.within(ATOM)}.max(axis=1)", reads=first.reads)


# Calls


def call_text(writer: Any, entry: Entry, function: Any, args: Any, options: Any) -> Expr:
    """function(*args, **options) in the plainest way that has the same bits."""
    number = _number(writer, entry, function, args)
    if number is not None:
        return number
    form = whole_form(function)
    if form is not None and form.text is not None:
        made = form.text(writer, entry, *args, **options)
        if made is not None:
            return made
    if isinstance(function, np.ufunc) and not options:
        if function in OPERATORS and len(args) == 2:
            return _operator(writer, entry, function, *args)
        if function in SIGNS:
            first = writer.expr(args[0])
            return Expr(SIGNS[function] + first.within(UNARY), UNARY, first.reads)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        made = _reduction(writer, owner, function, args, options)
        if made is not None:
            return made
    name = getattr(function, "__name__", "")
    if getattr(np.ndarray, name, None) is function or getattr(np.generic, name, None) is function:
        return _method(writer, entry, name, args, options)
    view = _view(writer, entry, function, args, options)
    if view is not None:
        return view
    public = numpy_name(function)
    words = [writer.expr(one) for one in args] if public is not None else []
    named = {key: writer.expr(value) for key, value in options.items()}
    out = options.get("out")
    if isinstance(out, tuple) and len(out) == 1:
        named["out"] = writer.expr(out[0])
    if public is None:
        called: Expr = writer.library.called(writer, function, args, named)
        return called
    return call(public, words, named)


def _number(writer: Any, entry: Entry, function: Any, args: Any) -> Expr | None:
    """A calculation with numbers of Python."""
    if function is operator.getitem:
        if not isinstance(args[0], Var):
            option: Expr = writer.option(*args)
            return option
        tuple_of = writer.defined.get((args[0], 0))
        if tuple_of is not None and tuple_of.function is operator.getitem:
            part: Expr = writer.option(*tuple_of.args, args[1])
            return part
        return indexed(writer, *args)
    if function is np.ndarray.item and args[0] in writer.counts:
        count: Expr = writer.count(args[0])
        return count
    room = getattr(function, "__module__", "")
    if function not in PYTHON and room not in ("math", "builtins"):
        return None
    words = [writer.expr(one) for one in args]
    if function in PYTHON:
        sign, level = PYTHON[function]
        if len(words) == 1:
            return Expr(sign + words[0].within(level), level, words[0].reads)
        tight = level + 1 if function is not operator.pow else ATOM
        text = f"{words[0].within(tight if level > TIMES else level)} {sign} "
        return Expr(text + words[1].within(level + 1), level, reads_of(*words))
    if room == "math":
        writer.library.imported.add("import math")
        return call(f"math.{function.__name__}", words)
    return call(function.__name__, words)


def _operator(writer: Any, entry: Entry, function: Any, left: Any, right: Any) -> Expr:
    result = entry.result if isinstance(entry.result, Var) else None
    if function is np.multiply and is_number(right):
        left, right = right, left  # a number first
    a, b = writer.expr(left), writer.expr(right)
    if function in ELEMENTWISE and result is not None and not is_number(result):
        if _fills(left, result):
            plain = number_beside(b, result)
            if function is np.multiply and plain is not None and b.number is not None:
                divided = _as_quotient(a, b.number)
                if divided is not None:
                    return divided
            b = plain or b
        elif _fills(right, result):
            a = number_beside(a, result) or a
    return binary(function, a, b)


def _fills(value: Any, result: Var) -> bool:
    """Whether an operand has the shape and the dtype of the result."""
    if not isinstance(value, Var):
        return False
    array, made = value.value, result.value
    if not hasattr(array, "shape"):
        return False
    return bool(array.shape == made.shape and array.dtype == made.dtype)


def number_beside(expr: Expr, result: Var) -> Expr | None:
    """The one number of an array of equal elements, beside an array."""
    if expr.number is None:
        return None
    number = expr.number
    if isinstance(number, Expr):
        return number
    if result.value.dtype.kind != "f" or number.dtype != result.value.dtype:
        return literal(number)
    text = str(number) if np.isfinite(number) else ""
    if not text or result.value.dtype.type(float(text)) != number:
        return literal(number)
    return Expr(text.removesuffix(".0") + (".0" if "." in text and text.endswith(".0") else ""),
                UNARY if text.startswith("-") else ATOM)  # fmt: skip


def _as_quotient(left: Expr, number: Any) -> Expr | None:
    """x / n for x times 1 / n if n is a power of two, as the bits are the same; else x (1 / n)."""
    if isinstance(number, Expr) or number.dtype.kind != "f" or not 0 < number < 1:
        return None
    count = round(1 / float(number))
    if number.dtype.type(1 / count) != number:
        return None
    divisor = Expr(str(count))
    if count & (count - 1) == 0:
        return binary(np.divide, left, divisor)
    return binary(np.multiply, left, binary(np.divide, Expr("1"), divisor))


def _reduction(writer: Any, owner: Any, function: Any, args: Any, options: Any) -> Expr | None:
    """x.sum(axis=1) for np.add.reduce(x, axis=(1,), keepdims=False)."""
    name = {np.add: "sum", np.maximum: "max", np.minimum: "min", np.multiply: "prod"}.get(owner)
    if name is None or function.__name__ != "reduce" or not isinstance(args[0], Var):
        return None
    value = args[0].value
    given = {**dict(zip(("axis", "dtype", "out", "keepdims"), args[1:], strict=False)), **options}
    if value.dtype.kind != "f" or "out" in given:
        return None
    if set(given) - {"axis", "dtype", "keepdims", "initial"}:
        return None
    axis, words = given.pop("axis", 0), {}
    if given.pop("dtype", value.dtype) not in (None, value.dtype):
        return None
    start = given.pop("initial", None)
    useless = {"max": -np.inf, "min": np.inf}.get(name)
    if start is not None and (start != useless or not value.size):
        return None
    axes = (
        tuple(range(value.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    )
    if len(axes) < value.ndim:
        words["axis"] = writer.expr(axes[0] if len(axes) == 1 else axes)
    if given.get("keepdims"):
        words["keepdims"] = Expr("True")
    return method(name, writer.expr(args[0]), [], words)


def _method(writer: Any, entry: Entry, name: str, args: Any, options: Any) -> Expr:
    view = _view(writer, entry, entry.function, args, options)
    if view is not None:
        return view
    first = writer.expr(args[0])
    if name == "copy" and writer.ahead.is_needless_copy(entry):
        return first
    if name == "clip" and args[1:] == (0, np.inf) and not options:
        return call("np.maximum", [Expr("0"), first])  # the same where x is -0.0 or nan
    words = [writer.expr(one) for one in args[1:]]
    if name in ("reshape", "transpose") and len(args) == 2 and isinstance(args[1], tuple):
        words = [writer.expr(one) for one in args[1]] or [Expr("()")]
    return method(name, first, words, {key: writer.expr(one) for key, one in options.items()})


def _view(writer: Any, entry: Entry, function: Any, args: Any, options: Any) -> Expr | None:
    """The calls that give another view of the same elements."""
    if not args or not isinstance(args[0], Var) or options:
        return None
    value, rest = args[0].value, args[1:]
    if function is np.asarray and not rest and writer.ahead.is_needless_copy(entry):
        return writer.expr(args[0])  # a number of NumPy is as good as an array of one
    if function in (np.ndarray.transpose, np.transpose):
        axes = rest[0] if len(rest) == 1 else rest
        axes = tuple(axes) if axes else tuple(range(value.ndim))[::-1]
        if axes == tuple(range(value.ndim)):
            return writer.expr(args[0])
        if axes == (1, 0):
            return transpose(writer.expr(args[0]), 2)
    if function in (np.swapaxes, np.ndarray.swapaxes) and value.ndim > 1:
        swapped = {axis % value.ndim for axis in rest}
        if swapped == {value.ndim - 1, value.ndim - 2}:
            return transpose(writer.expr(args[0]), value.ndim)
    if function is np.ndarray.reshape and isinstance(entry.result, Var):
        return _reshaped(writer, entry, value)
    return None


def _reshaped(writer: Any, entry: Entry, value: Any) -> Expr | None:
    first, shape = writer.expr(entry.args[0]), entry.result.value.shape
    if shape == value.shape:
        return first
    if first.text.endswith(".max(axis=1)") and shape == (*value.shape, 1):
        return Expr(f"{first.text[:-1]}, keepdims=True)", reads=first.reads)
    given = [writer.expr(size) for size in shape] or [Expr("()")]
    made = method("reshape", first, given, {})
    return Expr(made.text, reads=made.reads, number=first.number)


# Functions of this library


class Form(NamedTuple):
    """How a function is written.

    text   its call as an expression; None if this does not fit the arguments
    parts  for several results, pairs of a variable and its expression
    name   what the result is called, which then gets a line of its own
    """

    text: Callable[..., Expr | None] | None = None
    parts: Callable[..., Any] | None = None
    name: str = ""


def is_check(entry: Entry) -> bool:
    """Whether a call has no other effect than an error."""
    name = getattr(entry.function, "__name__", "").strip("_")
    return entry.result is None and (entry.checks or name.startswith("check"))


def whole_form(function: Any) -> Form | None:
    """The form of a function of this library."""
    module = getattr(function, "__module__", None) or ""
    return FORMS.get(f"{module.rpartition('.')[2]}.{getattr(function, '__name__', '')}")


def own_name(entry: Entry) -> str:
    """What the result of a call is always called; "" for most."""
    form = whole_form(entry.function)
    return "" if form is None else form.name


def _product(writer: Any, entry: Entry, a: Any, b: Any) -> Expr:
    return binary(np.matmul, writer.expr(a), writer.expr(b))


def _repeated(writer: Any, entry: Entry, g: Any, shape: Any) -> Expr:
    first = writer.expr(g)
    made = call("np.broadcast_to", [first, writer.expr(shape)])
    return Expr(made.text, reads=made.reads, number=first)


def _drawn(writer: Any, entry: Entry, given: Any, distribution: str, *args: Any) -> Expr | None:
    if given is not None:
        return None
    writer.draws = True
    return call(f"rng.{distribution}", [writer.expr(one) for one in args])


def _masked(writer: Any, entry: Entry, x: Any, mask: Any) -> Expr | None:
    """The gradient through a relu, for example; see `masked` for the two ways."""
    if not isinstance(x, Var) or not isinstance(mask, Var):
        return None
    form, kept = x.value, mask.value
    if form.shape != kept.shape or form.strides != kept.strides:
        return None
    first, second = writer.expr(x), writer.expr(mask)
    if kept.dtype == bool:
        return call("np.where", [second, first, Expr("0")])
    if form.size <= SMALL and form.dtype == kept.dtype:
        return binary(np.multiply, first, call("np.sign", [second]))
    limit = np.less_equal if entry.label[0] == "Relu" else np.equal
    return call("np.where", [binary(limit, second, Expr("0")), Expr("0"), first])


def _one_hot(writer: Any, entry: Entry, shape: Any, dtype: Any, labels: Any) -> Expr | None:
    if len(shape) != 2:
        return None
    rows = call("np.eye", [writer.expr(shape[1])], {"dtype": writer.expr(dtype)})
    index = writer.expr(labels)
    return Expr(f"{rows.text}[{index.text}]", reads=index.reads)


def _labels(writer: Any, entry: Entry) -> Any:
    labels = entry.args[1]
    flat, kept = entry.result
    if isinstance(kept, Var) or not isinstance(labels, Var):
        return None
    first = writer.expr(labels)
    value = labels.value
    if value.dtype != flat.value.dtype or not value.dtype.isnative:
        return None
    if value.ndim != 1:
        first = method("reshape", first, [Expr("-1")], {})
    return [(flat, first)]


def _at_most_one(writer: Any, entry: Entry, factor: Any) -> Expr:
    return call("min", [writer.expr(factor), Expr("1.0")])  # the first of them if it is nan


FORMS: dict[str, Form] = {
    "utils._norm_of": Form(name="total_norm"),
    "utils._at_most_one": Form(_at_most_one, name="factor"),
    "products.multiply": Form(_product),
    "selection.masked": Form(_masked),
    "sums._repeated_number": Form(_repeated),
    "random._drawn": Form(_drawn),
    "softmax.one_hot": Form(_one_hot, name="one_hot"),
    "_labels._checked": Form(parts=_labels),
}
