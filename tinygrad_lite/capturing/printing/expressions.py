"""Python text for values and calls of NumPy, with the brackets that it needs and no others."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# How tightly Python binds: an operand that binds less than its operator stands in brackets.
ATOM, POWER, UNARY, TIMES, PLUS = 100, 90, 80, 70, 60
AND, XOR, OR, COMPARE = 50, 45, 40, 30

# NumPy's functions that an operator of Python calls: its sign, and how it binds.
OPERATORS: dict[Any, tuple[str, int]] = {
    np.add: ("+", PLUS), np.subtract: ("-", PLUS), np.multiply: ("*", TIMES),
    np.divide: ("/", TIMES), np.floor_divide: ("//", TIMES), np.remainder: ("%", TIMES),
    np.matmul: ("@", TIMES), np.bitwise_and: ("&", AND), np.bitwise_xor: ("^", XOR),
    np.bitwise_or: ("|", OR), np.equal: ("==", COMPARE), np.not_equal: ("!=", COMPARE),
    np.less: ("<", COMPARE), np.less_equal: ("<=", COMPARE), np.greater: (">", COMPARE),
    np.greater_equal: (">=", COMPARE),
}  # fmt: skip
SIGNS: dict[Any, str] = {np.negative: "-", np.invert: "~"}

SMALL = 12  # up to this number of elements an array is written out


@dataclass(frozen=True)
class Expr:
    """Text, how tightly it binds, and the variables whose memory it reads.

    inner   the expression whose transpose this is
    number  the number that all elements are, if they are the same in every replay
    """

    text: str
    level: int = ATOM
    reads: frozenset[Any] = field(default=frozenset())
    inner: "Expr | None" = None
    number: Any = None

    def within(self, level: int) -> str:
        """The text as an operand of what binds that tightly."""
        return self.text if self.level >= level else f"({self.text})"


def reads_of(*parts: Any) -> frozenset[Any]:
    """The variables that any of these expressions reads."""
    return frozenset().union(*(part.reads for part in parts if isinstance(part, Expr)))


def call(name: str, args: list[Expr], options: dict[str, Expr] | None = None) -> Expr:
    """name(args, key=option)."""
    options = options or {}
    words = [one.text for one in args] + [f"{key}={one.text}" for key, one in options.items()]
    return Expr(f"{name}({', '.join(words)})", reads=reads_of(*args, *options.values()))


def method(name: str, first: Expr, args: list[Expr], options: dict[str, Expr]) -> Expr:
    """first.name(args, key=option)."""
    made = call(f"{first.within(ATOM)}.{name}", args, options)
    return Expr(made.text, reads=made.reads | first.reads)


def attribute(first: Expr, name: str) -> Expr:
    """first.name."""
    return Expr(f"{first.within(ATOM)}.{name}", reads=first.reads)


def binary(function: Any, left: Expr, right: Expr) -> Expr:
    """left + right, for example."""
    sign, level = OPERATORS[function]
    loose = level + (level == COMPARE)  # a == b == c would mean something else
    text = f"{left.within(loose)} {sign} {right.within(level + 1)}"
    return Expr(text, level, reads_of(left, right))


def transpose(first: Expr, ndim: int) -> Expr:
    """The last two axes swapped."""
    if first.inner is not None:
        return first.inner
    made = attribute(first, "T" if ndim == 2 else "mT")
    return Expr(made.text, reads=made.reads, inner=first)


def literal(value: Any) -> Expr | None:
    """A value of Python or NumPy as it is written; None if there is no such text."""
    if value is None or value is Ellipsis or isinstance(value, (bool, str, bytes)):
        return Expr("..." if value is Ellipsis else repr(value))
    if isinstance(value, int) and not isinstance(value, np.generic):
        return Expr(repr(int(value)), ATOM if value >= 0 else UNARY)
    if isinstance(value, float) and not isinstance(value, np.generic):
        return _float(value)
    if isinstance(value, np.dtype):
        return Expr(dtype_text(value))
    if isinstance(value, type):
        if issubclass(value, np.generic):
            return Expr(f"np.{value.__name__.rstrip('_')}" if value is not np.bool_ else "bool")
        return Expr(value.__name__) if value.__module__ == "builtins" else None
    if isinstance(value, (np.generic, np.ndarray)):
        return array_text(np.asarray(value), isinstance(value, np.generic))
    return None


def _float(value: float) -> Expr:
    if value != value or value in (np.inf, -np.inf):
        text = "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    else:
        text = repr(value)
    return Expr(text, UNARY if text.startswith("-") else ATOM)


def dtype_text(dtype: np.dtype[Any]) -> str:
    """np.float32, or a string that NumPy reads."""
    if not dtype.isnative or dtype.kind not in "iufb":
        return repr(dtype.str)
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}"


def array_text(value: Any, scalar: bool = False) -> Expr | None:
    """An array that is the same in every replay, if a short expression makes it."""
    dtype = dtype_text(value.dtype)
    if value.dtype.kind not in "iufb":
        return None
    if scalar or not value.ndim:
        number = literal(value.item())
        if number is None or np.asarray(value.item(), value.dtype).tobytes() != value.tobytes():
            return None
        if scalar:
            text = f"{dtype}({number.text})" if dtype != "bool" else number.text
            return Expr(text, number=value[()])
        return Expr(f"np.array({number.text}, {dtype})", number=value[()])
    if not value.flags.c_contiguous and value.size and any(value.strides):
        turned = array_text(value.T) if value.flags.f_contiguous else None
        return None if turned is None else Expr(f"{turned.text}.T", number=turned.number)
    shape = value.shape[0] if value.ndim == 1 else value.shape
    if value.size and _all_equal(value):
        first = value[(0,) * value.ndim]
        bare = {0: "np.zeros", 1: "np.ones"}.get(first.item() if value.dtype.kind != "b" else -1)
        if bare and not (first == 0 and np.signbit(first)):
            made = f"{bare}({shape}{'' if dtype == 'np.float64' else f', {dtype}'})"
        else:
            number = literal(first.item())
            made = f"np.full({shape}, {'?' if number is None else number.text}, {dtype})"
        if value.size > 1 and not all(value.strides):
            number = literal(first)
            made = f"np.broadcast_to({'?' if number is None else number.text}, {shape})"
        return Expr(made, number=first)
    if value.ndim == 1 and value.dtype.kind in "iu":
        start, stop = int(value[0]) if value.size else 0, int(value[-1]) + 1 if value.size else 0
        if np.array_equal(value, np.arange(start, stop)):
            given = f"{start}, {stop}" if start else f"{stop}"
            plain = value.dtype == np.arange(1).dtype
            return Expr(f"np.arange({given}{'' if plain else f', dtype={dtype}'})")
    if value.size > SMALL:
        return None
    numbers = repr(value.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    text = f"np.array({numbers}, {dtype})"
    return Expr(text if value.size else f"np.zeros({shape}, {dtype})")


def _all_equal(value: Any) -> bool:
    first = value[(0,) * value.ndim]
    bits = f"V{value.itemsize}"
    same = np.ascontiguousarray(value).reshape(-1).view(bits) == np.asarray([first]).view(bits)
    return bool(same.all())


def in_c_order(form: Any, backwards: bool = False) -> bool:
    """Whether an array, or the form of one, is contiguous in C order; or in Fortran's."""
    expected = form.dtype.itemsize
    pairs = zip(form.shape, form.strides, strict=True)
    for size, stride in pairs if backwards else reversed(list(pairs)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def view_text(name: str, owner: Any, value: Any) -> str:
    """A view of an array: name[2:4, ::2], or its memory seen in another way."""
    start = value.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    same_axes = value.ndim == owner.ndim and value.dtype == owner.dtype
    if same_axes and value.strides == owner.strides and value.shape == owner.shape:
        return name
    if same_axes and in_c_order(owner) and value.size:
        rest = start
        words: list[str] = []
        for size, stride, full, step in zip(
            value.shape, value.strides, owner.shape, owner.strides, strict=True
        ):
            first, rest = divmod(rest, step)
            times = stride // step if size > 1 else 1
            if times < 1 or (stride % step and size > 1) or first + (size - 1) * times >= full:
                words = []
                break
            words.append(f"{first}:{first + (size - 1) * times + 1}{f':{times}' * (times > 1)}")
        if words and not rest:
            return f"{name}[{', '.join(words)}]"
    dtype = dtype_text(value.dtype)
    return f"np.ndarray({value.shape}, {dtype}, {name}.data, {start}, {value.strides})"


def numpy_name(function: Any) -> str | None:
    """The name by which NumPy's users call a function: np.linalg.inv."""
    name = getattr(function, "__name__", "")
    for prefix, room in (("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft)):
        if getattr(room, name, None) is function:
            return f"{prefix}.{name}"
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{name}"
    return None


# x += y, for the functions that have it
IN_PLACE = {np.add, np.subtract, np.multiply, np.divide, np.bitwise_and, np.bitwise_or}
COMMUTES = {np.add, np.multiply}
