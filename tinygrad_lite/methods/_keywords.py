"""The keywords of PyTorch, tinygrad and NumPy: `x.sum(dim=0, keepdims=True)` for ours.

A method that has such an argument names in `also` what it accepts beside its own keywords; what
each of these means stands here, in one table.  Signatures, documentation and types show ours.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from ..arrays.arguments import flag
from ._device import check_device

Call = TypeVar("Call", bound=Callable[..., Any])


def unchanged(value: Any, name: str) -> Any:
    """A keyword that differs in its name only."""
    return value


def degrees_lost(value: Any, name: str) -> int:
    """`unbiased` as `correction`: whether the sum is divided by n - 1 or by n."""
    return int(flag(value, name))


def opposite(value: Any, name: str) -> bool:
    """`some` as `full_matrices`."""
    return not flag(value, name)


class Keyword(NamedTuple):
    """Which of our arguments a keyword means: the first of these that the method has.

    With no name at all the value is checked and needs nothing more.
    """

    ours: tuple[str, ...] = ()
    convert: Callable[[Any, str], Any] = unchanged


KEYWORDS: dict[str, Keyword] = {
    # Axes
    "dim": Keyword(("axis",)),
    "dims": Keyword(("axis", "axes", "repeats")),
    "dimension": Keyword(("axis",)),
    "order": Keyword(("axes",)),
    "axis": Keyword(("axes",)),
    "dim0": Keyword(("axes",)),
    "dim1": Keyword(("axis1", "axes")),
    "dim2": Keyword(("axis2",)),
    "start_dim": Keyword(("start_axis",)),
    "end_dim": Keyword(("end_axis",)),
    "keepdims": Keyword(("keepdim",)),
    "unbiased": Keyword(("correction",), degrees_lost),
    "ddof": Keyword(("correction",)),
    # Shapes and sizes
    "size": Keyword(("shape",)),
    "split_size": Keyword(("sizes",)),
    "split_sizes": Keyword(("sizes",)),
    "split_size_or_sections": Keyword(("sizes",)),
    "sections": Keyword(("parts",)),
    "indices_or_sections": Keyword(("parts",)),
    "shift": Keyword(("shifts",)),
    "reps": Keyword(("repeats",)),
    "pad": Keyword(("padding",)),
    "k": Keyword(("diagonal",)),
    # The other operand
    "exponent": Keyword(("other",)),
    "tensor": Keyword(("other",)),
    "vec2": Keyword(("other",)),
    "mat2": Keyword(("other",)),
    "vec": Keyword(("other",)),
    "x2": Keyword(("other",)),
    "input2": Keyword(("other",)),
    "B": Keyword(("other",)),
    "src": Keyword(("other",)),
    "source": Keyword(("src",)),
    "value": Keyword(("src",)),
    "x": Keyword(("a",)),
    "y": Keyword(("b",)),
    "target": Keyword(("labels", "Y")),
    "Y": Keyword(("labels",)),
    # Bounds and options
    "min_": Keyword(("min",)),
    "max_": Keyword(("max",)),
    "a_min": Keyword(("min",)),
    "a_max": Keyword(("max",)),
    "end": Keyword(("stop",)),
    "num": Keyword(("steps",)),
    "loc": Keyword(("mean",)),
    "scale": Keyword(("std",)),
    "indices": Keyword(("index", "parts")),
    "negative_slope": Keyword(("neg_slope",)),
    "sorted": Keyword(("sorted_",)),
    "func": Keyword(("fn",)),
    "v": Keyword(("cotangents", "tangents", "vectors")),
    "eps": Keyword(("step",)),
    "some": Keyword(("full_matrices",), opposite),
    # What is always so here
    "stable": Keyword(convert=flag),  # every sort is
    "non_blocking": Keyword(convert=flag),
    "device": Keyword(convert=check_device),
}
# Two that are given apart for one argument of ours, x.transpose(dim0=0, dim1=1).
APART = ("dim0", "dim1")


def also(*theirs: str) -> Callable[[Call], Call]:
    """A decorator: accept these keywords, which KEYWORDS explains, beside the method's own.

    Every call goes through one more function for it, so only methods with such an argument have it.

    Errors: TypeError if an argument is given by two spellings, and for an unknown keyword.
    """

    def decorate(method: Call) -> Call:
        words = _Words(method, theirs)
        known = words.own

        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            if options and not known.issuperset(options):
                args, options = words.translated(args, options)
            return method(*args, **options)

        vars(call)["also"] = words.theirs  # for tests
        return call  # type: ignore[return-value]  # the same signature

    return decorate


class _Words:
    """The keywords of one method: its own, and which of them theirs mean."""

    def __init__(self, method: Any, theirs: tuple[str, ...]) -> None:
        while hasattr(method, "__wrapped__"):
            method = method.__wrapped__
        code = method.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:count]
        self.name = "Tensor" if method.__name__ == "__init__" else method.__name__
        self.positions = {name: number for number, name in enumerate(names[: code.co_argcount])}
        self.own = frozenset(names) - {"self", "cls"}
        self.star = code.co_varnames[count] if code.co_flags & 4 else None  # *axes, *shape
        self.theirs = {} if self.star in (None, "others", "target") else {self.star: self.star}
        for word in theirs:
            ours = [name for name in KEYWORDS[word].ours if name in self.own or name == self.star]
            self.theirs[word] = ours[0] if ours else None

    def translated(
        self, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call in our words."""
        found: dict[str, Any] = {}
        spread: dict[str, Any] = {}
        for word, value in options.items():
            if word in self.own:
                ours = word
            elif word in self.theirs:
                ours = self.theirs[word]
                value = self._converted(word, value)
            else:
                raise TypeError(f"{self.name}: unknown keyword {word!r}; expected {self._listed()}")
            if ours is None:
                continue
            if ours == self.star:
                spread[word] = value
            elif ours in found or self.positions.get(ours, len(args)) < len(args):
                raise TypeError(f"{self.name}: {ours} is given twice, once as {word}")
            else:
                found[ours] = value
        if spread:
            args = (*args, *self._spread(args, spread))
        return args, found

    def _spread(self, args: tuple[Any, ...], given: dict[str, Any]) -> list[Any]:
        """The values for *axes or *shape."""
        first = len(self.positions)
        if all(word in APART for word in given) and len(args) - first + len(given) <= len(APART):
            return [given[word] for word in APART if word in given]
        if len(given) > 1 or len(args) > first:
            raise TypeError(f"{self.name}: {self.star} is given twice, once as {list(given)[-1]}")
        return list(given.values())

    def _converted(self, word: str, value: Any) -> Any:
        convert = unchanged if word == self.star else KEYWORDS[word].convert
        return convert(value, f"{self.name}: {word}")

    def _listed(self) -> str:
        names = sorted(self.own, key=lambda name: self.positions.get(name, 99))
        names += [self.star] if self.star in self.theirs else []
        return ", ".join(names)
