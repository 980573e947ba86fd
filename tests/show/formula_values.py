r"""Computes formulas in LaTeX with NumPy in float64, to compare them with what the rules compute.

It knows the notation of the `latex` of our ops, and raises Unknown for anything else:

- `\odot` and a number beside an array are elementwise, `\;` is a matrix product, and two arrays
  side by side are an error;
- sums, means and extremes over named axes keep these axes, of size 1;
- a formula that holds `at each i, j` is computed for one element after the other, and its sums
  over indices are loops.
"""

import math
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

TOKEN = re.compile(
    r"\\(?:mathrm|operatorname|text|begin|end)\{[^}]*\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S"
)
RELATIONS: dict[str, Callable[..., Any]] = {
    "=": np.equal,
    "<": np.less,
    ">": np.greater,
    r"\le": np.less_equal,
    r"\ge": np.greater_equal,
    r"\ne": np.not_equal,
}
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "log": np.log,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arsinh": np.arcsinh,
    "arcosh": np.arccosh,
    "artanh": np.arctanh,
    "atan2": np.arctan2,
    "sign": np.sign,
    "trunc": np.trunc,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "max": np.maximum,
    "min": np.minimum,
    "det": np.linalg.det,
    "cholesky": np.linalg.cholesky,
    "tril": np.tril,
    "diagonal": np.diagonal,
    "diag": lambda x: x[..., None] * np.eye(x.shape[-1]),
    "reshape": np.reshape,
    "shape": np.shape,
    "dtype": lambda x: x.dtype,
    "cast": lambda x, dtype: x.astype(dtype),
    "permute": np.transpose,
    "broadcast": np.broadcast_to,
}
OVER: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "var": np.var,
    "max": np.max,
    "min": np.min,
    "repeated": lambda x, axis, keepdims: x,  # it broadcasts
}
Value = Callable[[dict[str, Any]], Any]


class Unknown(Exception):
    """Notation that this file does not know."""


def value_of(formula: str, known: dict[str, Any], shape: tuple[int, ...] | None = None) -> Any:
    r"""What a formula computes.

    known  the values of its names: "x", r"\bar{y}", options, and names of axes
    shape  of the result, for a formula that holds `at each i, j`
    """
    main, *where = split(TOKEN.findall(formula), r"\text{ where }")
    main, *each = split(main, r"\text{ at each }")
    names = dict(known)
    names["lone indices"] = lone_indices(formula)
    names["definitions"] = [split(one, "=", 1) for one in split(where[0], ",")] if where else []
    value = Reader([*main[:-1], *main[-1:]] if main[-1] != "," else main[:-1]).whole()
    if not each:
        return value(names)
    letters = [token for token in each[0] if token.isalpha()]
    if len(letters) != len(shape or ()):
        raise Unknown(f"{len(shape or ())} axes for {letters}")
    result = np.empty(shape)
    for index in np.ndindex(*shape):
        result[index] = np.squeeze(value(names | dict(zip(letters, index, strict=True))))
    return result


def split(found: list[str], at: str, most: int = -1) -> list[list[str]]:
    """The tokens between those that are `at`, outside all brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in found:
        depth += (token in "({[") - (token in ")}]")
        if token == at and not depth and most:
            parts.append([])
            most -= 1
        else:
            parts[-1].append(token)
    return parts


def lone_indices(formula: str) -> dict[str, list[tuple[str, int]]]:
    """For each index that stands alone in a list of indices, the array and the axis."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, indices in re.findall(r"(\\bar\{\w\}|\b\w)_\{([^}]*)\}", formula):
        parts = re.sub(r"\([^)]*\)", "()", indices).split(", ")
        for axis, part in enumerate(parts):
            if len(part) == 1 and part.isalpha():
                found.setdefault(part, []).append((name, axis))
    return found


class Reader:
    """Reads tokens into a function that computes their value from the values of names."""

    def __init__(self, found: list[str]) -> None:
        self.tokens, self.position = found, 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if expected and token not in expected:
            raise Unknown(f"{token!r} where one of {expected} was expected")
        self.position += 1
        return token

    def whole(self) -> Value:
        value = self.expression()
        if self.peek():
            raise Unknown(self.peek())
        return value

    def expression(self) -> Value:
        parts = [(self.take() if self.peek() == "-" else "+", self.term())]
        while self.peek() in ("+", "-"):
            parts.append((self.take(), self.term()))

        def total(names: dict[str, Any]) -> Any:
            values = [(sign, part(names)) for sign, part in parts]
            values = [(sign, value) for sign, value in values if value is not None]
            sizes = [np.shape(value)[-1] for _, value in values if np.ndim(value) > 1]
            values = [(sign, sized(value, sizes)) for sign, value in values]
            return sum(value if sign == "+" else -value for sign, value in values)

        return total if len(parts) > 1 or parts[0][0] == "-" else parts[0][1]

    def term(self) -> Value:
        value = self.factor()
        while True:
            token = self.peek()
            if token in (r"\odot", r"\;", "/"):
                self.take()
                value = combined(token, value, self.factor())
            elif token in (r"\,",):
                self.take()
            elif self.begins_factor():
                value = combined("", value, self.factor())
            else:
                return value

    def begins_factor(self) -> bool:
        token = self.peek()
        named = re.match(r"\\(mathrm|operatorname|begin|[A-Za-z]{2,})", token)
        ends = (r"\end{cases}", r"\rvert", r"\rfloor", r"\top", *RELATIONS)
        return (
            token == "(" or token.isalnum() or bool(named and token not in ends)
        ) and not token.startswith(r"\text")

    def factor(self) -> Value:
        value = self.base()
        while self.peek() in ("^", "_"):
            if self.take() == "_":
                raise Unknown("an index of something that has no name")
            value = power(value, self.group_tokens())
        return value

    def base(self) -> Value:
        token = self.take()
        if token[0].isdigit():
            return lambda names: float(token)
        if token == "(":
            values = self.listed(")")
            return values[0] if len(values) == 1 else lambda names: tuple(v(names) for v in values)
        if token == "[":
            condition = self.condition()
            self.take("]")
            return lambda names: np.asarray(condition(names), float)
        if token == r"\lvert":
            inner = self.expression()
            self.take(r"\rvert")
            return lambda names: np.abs(inner(names))
        if token == r"\lfloor":
            inner = self.expression()
            self.take(r"\rfloor")
            return lambda names: np.floor(inner(names))
        if token == r"\frac":
            above, below = self.group(), self.group()
            return combined("/", above, below)
        if token == r"\sqrt":
            inner = self.group()
            return lambda names: np.sqrt(inner(names))
        if token == r"\pi":
            return lambda names: math.pi
        if token == r"\infty":
            return lambda names: math.inf
        if token == "e" and self.peek() == "^":
            self.take()
            exponent = self.group()
            return lambda names: np.exp(exponent(names))
        if token in (r"\sum", r"\prod"):
            return self.total(np.sum if token == r"\sum" else np.prod)
        if token == r"\begin{cases}":
            return self.cases()
        word = re.fullmatch(r"\\(?:operatorname\{(\w+)\}|(\w+))", token)
        if word and ((word[1] or word[2]) in ELEMENTWISE or (word[1] or word[2]) in OVER):
            return self.function(word[1] or word[2])
        return self.named(token)

    def named(self, token: str) -> Value:
        """A variable, an option or a definition, with its indices or arguments."""
        key = token
        if token in (r"\bar", r"\hat"):
            key += "".join(self.group_tokens(braces=True)).replace(r"\_", "_")
            key = re.sub(r"\\mathrm\{(\w+)\}", r"\1", key)
        elif token.startswith(r"\mathrm"):
            key = token[8:-1].replace(r"\_", "_")
        elif token.startswith(r"\operatorname"):
            key = token[14:-1].replace(r"\_", "_")
        elif not (token.isalpha() and len(token) == 1) and not re.fullmatch(r"\\[A-Za-z]+", token):
            raise Unknown(token)
        if self.peek() == "(" and key in ("q", "skew", "one_hot", "cofactor", "function"):
            self.take()
            given = self.listed(")")
            return lambda names: called(key, [one(names) for one in given], names)
        if self.peek() != "_":
            return lambda names: looked_up(key, names)
        self.take()
        indices = self.indices()
        return lambda names: element(key, [one(names) for one in indices], names)

    def function(self, name: str) -> Value:
        over = None
        if self.peek() == "_":
            self.take()
            over = self.group_tokens()
        if self.take() == "(":
            given = self.listed(")")
        else:
            self.position -= 1
            given = [self.term()]
        if over is None:
            return lambda names: ELEMENTWISE[name](*[one(names) for one in given])
        if len(over) == 1 and over[0].startswith(r"\mathrm"):
            return lambda names: along(OVER[name], given[0](names), over[0][8:-1], names)
        return looped(OVER[name], over, given[0], -math.inf)

    def total(self, reduce: Callable[..., Any]) -> Value:
        self.take("_")
        over = self.group_tokens()
        body = self.term()
        if len(over) == 1 and over[0].startswith(r"\mathrm"):
            return lambda names: along(reduce, body(names), over[0][8:-1], names)
        return looped(reduce, over, body, 0.0)

    def cases(self) -> Value:
        rows = []
        while True:
            value = self.expression()
            self.take("&")
            if self.take(r"\text{if }", r"\text{otherwise}") == r"\text{otherwise}":
                break
            rows.append((value, self.condition()))
            self.take(r"\\")
        self.take(r"\end{cases}")

        def chosen(names: dict[str, Any]) -> Any:
            result = value(names)
            for row, condition in reversed(rows):
                held = condition(names)
                if isinstance(held, (bool, np.bool_)):
                    result = row(names) if held else result
                else:
                    result = np.where(held, row(names), result)
            return result

        return chosen

    def condition(self) -> Value:
        value = self.comparison()
        while self.peek() in (r"\text{ and }", r"\text{ or }", ","):
            combine = np.logical_or if self.take() == r"\text{ or }" else np.logical_and
            value = joined(combine, value, self.comparison())
        return value

    def comparison(self) -> Value:
        start = self.position
        try:
            parts = [self.expression()]
        except Unknown:  # a condition in brackets
            self.position = start
            self.take("(")
            value = self.condition()
            self.take(")")
            return value
        relations = []
        while self.peek() in RELATIONS:
            relations.append(RELATIONS[self.take()])
            parts.append(self.expression())
        if not relations:
            return parts[0]

        def holds(names: dict[str, Any]) -> Any:
            values = [part(names) for part in parts]
            held = True
            for relation, left, right in zip(relations, values[:-1], values[1:], strict=True):
                held = held & relation(left, right)
            return held

        return holds

    def listed(self, closing: str) -> list[Value]:
        values = [self.expression()]
        while self.peek() == ",":
            self.take()
            values.append(self.expression())
        self.take(closing)
        return values

    def indices(self) -> list[Value]:
        reader = Reader(self.group_tokens())
        values = [reader.expression()]
        while reader.peek() == ",":
            reader.take()
            values.append(reader.expression())
        if reader.peek():
            raise Unknown(reader.peek())
        return values

    def group_tokens(self, braces: bool = False) -> list[str]:
        """The tokens of an argument; with its braces, if wanted."""
        if self.peek() != "{":
            return [self.take()]
        self.take()
        depth, inner = 1, []
        while depth:
            token = self.take()
            if not token:
                raise Unknown("a brace is not closed")
            depth += (token == "{") - (token == "}")
            inner.append(token)
        return ["{", *inner] if braces else inner[:-1]

    def group(self) -> Value:
        return Reader(self.group_tokens()).whole()


class Identity:
    """A number times the identity matrix, whose size follows from what it is added to."""

    def __init__(self, factor: float) -> None:
        self.factor = factor


def sized(value: Any, sizes: list[int]) -> Any:
    if not isinstance(value, Identity):
        return value
    return value.factor * np.eye(sizes[0])


def combined(how: str, left: Value, right: Value) -> Value:
    def value(names: dict[str, Any]) -> Any:
        a, b = left(names), right(names)
        if a is None or b is None:  # an input that is not given is a factor of 1
            return b if a is None else a
        if how == "/":
            return np.divide(a, b)
        if isinstance(b, Identity):
            return Identity(a * b.factor)
        if isinstance(a, Identity):
            return sized(a, [np.shape(b)[-1]]) * b
        if how == r"\;":
            return matrix(a) @ matrix(b)
        if how == "" and np.ndim(a) and np.ndim(b):
            raise Unknown("two arrays side by side")
        return np.multiply(a, b)

    return value


def matrix(value: Any) -> Any:
    """A tuple of matrices stands for them side by side."""
    return np.concatenate(value, axis=-1) if isinstance(value, tuple) else value


def joined(combine: Callable[..., Any], left: Value, right: Value) -> Value:
    return lambda names: combine(left(names), right(names))


def power(value: Value, exponent: list[str]) -> Value:
    shown = "".join(exponent)
    if shown == r"\top":
        return lambda names: np.swapaxes(matrix(value(names)), -1, -2)
    if shown in ("-1", r"-\top"):
        turned = shown == r"-\top"

        def inverse(names: dict[str, Any]) -> Any:
            given = value(names)
            if isinstance(given, tuple):
                return np.argsort(given)  # of an order of axes
            found = np.linalg.inv(given)
            return np.swapaxes(found, -1, -2) if turned else found

        return inverse
    raised = Reader(exponent).whole()
    return lambda names: np.power(np.asarray(value(names), float), raised(names))


def along(reduce: Callable[..., Any], value: Any, axes: str, names: dict[str, Any]) -> Any:
    """A sum, mean or extreme along axes, which are kept."""
    value = matrix(value)
    if axes == "copies":
        return value  # the engine sums over them
    if axes == "group":
        shape = (value.shape[0], names["groups"], -1, *value.shape[2:])
        grouped = np.reshape(value, shape)
        found = reduce(grouped, axis=tuple(range(2, grouped.ndim)), keepdims=True)
        return np.reshape(np.broadcast_to(found, grouped.shape), value.shape)
    return reduce(value, axis=names[axes], keepdims=True)


def looped(reduce: Callable[..., Any], over: list[str], body: Value, outside: float) -> Value:
    """A sum over indices, one after the other, for which the conditions hold."""
    listed, *conditions = split(over, ":")
    if not conditions and any(token in RELATIONS for token in listed):
        conditions = [listed]
    reader = Reader(conditions[0]) if conditions else None
    condition = reader.condition() if reader else None
    if reader and reader.peek():
        raise Unknown(reader.peek())

    def value(names: dict[str, Any]) -> Any:
        letters = [t for t in dict.fromkeys(listed) if t.isalpha() and t not in names]
        letters = [t for t in letters if len(t) == 1 and t != "q"]
        found = []
        for index in product(*(range_of(letter, names) for letter in letters)):
            inner = names | dict(zip(letters, index, strict=True)) | {"outside": outside}
            if condition is None or condition(inner):
                found.append(body(inner))
        return reduce(found, axis=0) if found else float(reduce([]))

    return value


def range_of(letter: str, names: dict[str, Any]) -> Iterator[int] | range:
    """The values of an index: the size of an axis where it stands alone, or of the kernel."""
    for name, axis in names["lone indices"].get(letter, []):
        if name in names and np.ndim(names[name]) > axis:
            return range(np.shape(names[name])[axis])
    if letter == "t":
        return range(names["kernel"])
    raise Unknown(f"the range of {letter}")


def looked_up(key: str, names: dict[str, Any]) -> Any:
    if key in names:
        return names[key]
    for left, right in definitions_of(key, names):
        if left == TOKEN.findall(key):
            return matrix(Reader(right).whole()(names))
        if "_" in left:  # a matrix, by its elements
            size = names["size"]
            rows = [[element(key, [i, j], names) for j in range(size)] for i in range(size)]
            return np.array(rows)
    if key == "I":
        return Identity(1.0)
    raise Unknown(key)


def definitions_of(key: str, names: dict[str, Any]) -> list[tuple[list[str], list[str]]]:
    begin = TOKEN.findall(key)
    return [
        (left, right)
        for left, right in names["definitions"]
        if left[: len(begin)] == begin or left[0] == rf"\operatorname{{{key}}}"
    ]


def element(key: str, index: list[Any], names: dict[str, Any]) -> Any:
    """One element of an array or of a definition, 0 outside; or a part of a tuple."""
    if key in names:
        array = names[key]
        if isinstance(array, tuple):
            return array[int(index[0])]
        if len(index) == 1 and not np.isscalar(index[0]):  # x[index] or x[labels]
            return picked(array, index[0], names)
        whole = tuple(int(one) for one in index)
        inside = all(0 <= one < size for one, size in zip(whole, array.shape, strict=True))
        return array[whole] if inside else names.get("outside", 0.0)
    for left, right in reversed(definitions_of(key, names)):
        at = [token for token in left[left.index("_") + 1 :] if token.isalpha()]
        if len(set(at)) < len(at) and len(set(index)) == len(index):
            continue  # the diagonal
        if len(index) == 1 and index[0] >= names["size"]:
            return 0.0
        return Reader(right).whole()(names | dict(zip(at, index, strict=True)))
    raise Unknown(key)


def picked(array: Any, index: Any, names: dict[str, Any]) -> Any:
    if "labels" in names:
        return np.take_along_axis(array, np.expand_dims(names["labels"], 1), 1)
    return array[index]


def called(key: str, given: list[Any], names: dict[str, Any]) -> Any:
    if key == "function":
        return names["function"](*given)
    if key == "one_hot":
        shape = names["p"].shape
        classes = np.arange(shape[1]).reshape(-1, *(1,) * (len(shape) - 2))
        return (classes == np.expand_dims(given[0], 1)).astype(float)
    if key == "cofactor":
        return cofactors(given[0])
    for left, right in definitions_of(key, names):
        parameters = [token for token in left[left.index("(") :] if token.isalpha()]
        return Reader(right).whole()(names | dict(zip(parameters, given, strict=True)))
    raise Unknown(key)


def cofactors(x: Any) -> Any:
    result = np.empty_like(x)
    for *stack, i, j in np.ndindex(*x.shape):
        minor = np.delete(np.delete(x[tuple(stack)], i, 0), j, 1)
        result[(*stack, i, j)] = (-1.0) ** (i + j) * np.linalg.det(minor)
    return result
