"""What a record notes for its readers: which operation made an array, and of what it is a gradient.

Nothing here changes what is replayed; it is from this that `source` takes names and comments.
"""

import sys
from functools import cache
from types import FrameType
from typing import Any

from ..engine.graph import Leaf

# Of the frames between an entry and the user's code, these are not where an array gets its name.
_BETWEEN = ("tinygrad_lite.capturing", "tinygrad_lite.arrays.recorded", "numpy")
MOST = 16  # of the user's lines


class Notes:
    """The operations of a record.

    made       for each result of an operation: the operation's class, the name of the result, and
               the variables of its inputs
    gradients  for each variable that a backward rule is given: the result whose gradient it is
    leaves     for each leaf, the variables that rules gave for it; their sum is its gradient
    """

    def __init__(self) -> None:
        self.made: dict[Any, tuple[type, str, tuple[Any, ...]]] = {}
        self.gradients: dict[Any, Any] = {}
        self.leaves: dict[Leaf, list[Any]] = {}
        self._results: dict[int, tuple[Any, ...]] = {}  # of a node, by its identity
        self._places: dict[int, tuple[str, str]] = {}

    def forward(self, op: Any, inputs: list[Any], result: Any, place: tuple[str, str]) -> None:
        """An operation has run, at a line of the user's and in a module."""
        self._places[id(op)] = place
        several = isinstance(result, tuple)
        parts = [getattr(one, "variable", None) for one in (result if several else (result,))]
        names = type(op).results if several else ("y",)
        given = tuple([getattr(one, "variable", None) for one in inputs])
        for name, var in zip(names, parts, strict=False):
            if var is not None:
                self.made[var] = type(op), name, given
        self._results[id(op)] = tuple(parts)

    def place_of(self, node: Any) -> tuple[str, str]:
        """The user's line and the module where an operation ran."""
        line, module = self._places.get(id(node), ("", ""))
        return node.line or line, module

    def backward(self, node: Any, gradient: Any) -> None:
        """A node is visited with the gradient of its result."""
        parts = gradient if isinstance(gradient, tuple) else (gradient,)
        for one, result in zip(parts, self._results.get(id(node), ()), strict=False):
            var = getattr(one, "variable", None)
            if var is not None and result is not None:
                self.gradients.setdefault(var, result)

    def pulled(self, node: Any, gradients: Any) -> None:
        """A node's rule has given the gradients of its inputs."""
        for parent, one in zip(node.parents, gradients, strict=False):
            if isinstance(parent, Leaf) and one is not None:
                self.leaves.setdefault(parent, []).append(getattr(one, "variable", None))

    def gradients_of_leaves(self) -> list[tuple[Any, Any]]:
        """The variables that are the whole gradient of a tensor, each with that tensor."""
        single = [(vars[0], leaf) for leaf, vars in self.leaves.items() if len(vars) == 1]
        found = [(var, leaf.holder()) for var, leaf in single if var is not None and leaf.holder]
        return [(var, tensor) for var, tensor in found if tensor is not None
                and var.value.shape == tensor._data.shape]  # fmt: skip


def running_lines() -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """The lines that are running, innermost first: those of the rule, then those of the user."""
    rule: list[tuple[str, int]] = []
    user: list[tuple[str, int]] = []
    frame: FrameType | None = sys._getframe(2)
    inside = True  # a rule of this library
    while frame is not None and len(user) < MOST:
        kind = kind_of(frame.f_globals.get("__name__"))
        if kind == "user":
            inside = False
            user.append((frame.f_code.co_filename, frame.f_lineno))
        elif kind == "engine":
            inside = False
        elif kind == "rule" and inside:
            rule.append((frame.f_code.co_filename, frame.f_lineno))
        elif kind == "step" and user:
            break
        frame = frame.f_back
    return tuple(rule), tuple(user)


@cache
def kind_of(module: str | None) -> str:
    """Whose the code of a module is."""
    name = module or ""
    if name.partition(".")[0] not in ("tinygrad_lite", "nn", "numpy"):
        return "user"
    if name == "tinygrad_lite.capturing.step":
        return "step"
    if name.startswith("tinygrad_lite.engine"):
        return "engine"
    return "between" if name.startswith(_BETWEEN) else "rule"
