"""`.grad` is None, and the program goes on as if it were not.

`w = w - lr * w.grad` makes a new tensor, which is no leaf: the next backward pass fills `.grad` of
the first one, and Python's own words about None do not help.  Asking whether there is a gradient is
no mistake, so the instruction that reads it is looked at, and what is done with the value next.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from types import CodeType
from typing import Any

from ..arrays.locks import imported
from ..engine.graph import Leaf, Node
from .telling import tell

# What may follow the reading of a value that is used as a number, a tensor or an array.
_USES = ("LOAD_ATTR", "LOAD_METHOD", "BINARY_OP", "BINARY_SUBSCR", "UNARY_NEGATIVE", "GET_ITER")
# What asks whether there is one.
_QUESTIONS = ("IS_OP", "COMPARE_OP", "TO_BOOL", "UNARY_NOT", "POP_JUMP", "JUMP_IF", "CONTAINS_OP")
# Functions that ask for it.
_ASK = {"assertIsNone", "assertIsNotNone", "isinstance", "type", "callable", "id", "bool"}


def gradient_missing(tensor: Any) -> None:
    """Somebody reads the `.grad` of a tensor, and it is None: tell, if that is surely a mistake."""
    frame = sys._getframe(2)
    if (frame.f_globals.get("__name__") or "").partition(".")[0] in ("tinygrad_lite", "nn"):
        return
    use, name = _use(frame.f_code, frame.f_lasti)
    node = tensor._node
    if use is None or (use == "read" and not _visited(node)):
        return
    if node is None:
        tell(
            f"{name}.grad is None, for {name} does not require grad; make it with "
            "requires_grad=True; and where it is updated inside no_grad(), write "
            f"`{name} -= ...`, for `{name} = {name} - ...` makes a new tensor"
        )
    elif isinstance(node, Leaf):
        tell(
            f"{name}.grad is None: no gradient has arrived since {name} was made or its gradient "
            "was set to None; call backward() on a loss that depends on it before this line"
        )
    elif _is_update(node):
        tell(
            f"{name}.grad is None: backward fills the .grad of leaves, and {name} was computed by "
            f"{_op(node)}, as in `{name} = {name} - lr * {name}.grad`; update it in place, "
            f"`with no_grad(): {name} -= lr * {name}.grad`"
        )
    elif _is_all_that_is_left(node):
        tell(
            f"{name}.grad is None: backward fills the .grad of leaves, and {name} was computed by "
            f"{_op(node)} from one that nothing holds any more; make a leaf of the result, "
            f"`{name} = (...).detach().requires_grad_()`"
        )
    else:
        tell(
            f"{name}.grad is None: backward fills the .grad of leaves, and {name} was computed by "
            f"{_op(node)}; call {name}.retain_grad() before backward, or use "
            f"tinygrad_lite.grad(loss, {name})"
        )


def _op(node: Any) -> str:
    """The name of the op that made a result, which may be one of several."""
    return type(node if hasattr(node, "freed") else node.parents[0]).__name__


def _visited(node: Any) -> bool:
    """Whether a backward pass went through this node, which is no leaf, and kept no gradient."""
    if node is None or isinstance(node, Leaf) or node.holder is not None:
        return False
    return bool(getattr(node if hasattr(node, "freed") else node.parents[0], "freed", False))


def _is_update(node: Node) -> bool:
    """Whether a parameter minus or plus a constant was computed, perhaps several times."""
    while type(node).__name__ in ("Sub", "Add") and len(node.parents) == 2:
        parent, constant = node.parents
        if constant is not None or parent is None or parent.out_shape != node.out_shape:
            return False
        if isinstance(parent, Leaf):
            return True
        node = parent
    return False


def _is_all_that_is_left(node: Node) -> bool:
    """Whether this was computed in a few steps from one leaf, which is gone: `randn(...) * 0.1`."""
    for _ in range(8):
        parents = [one for one in node.parents if one is not None]
        if len(parents) != 1 or prod(parents[0].out_shape) != prod(node.out_shape):
            return not parents and node.holder is not None and node.holder() is None
        (node,) = parents
    return False


@lru_cache(1024)
def _use(code: CodeType, position: int) -> tuple[str | None, str]:
    """What code does with the attribute that it loads at this position, and of what it loads it.

    "used" where None makes Python raise next, "read" where it is kept or passed on, None where the
    question is only whether there is one, and where no attribute is loaded: getattr, copies.
    """
    code_of = imported("tinygrad_lite.mistakes.instructions")
    steps, index = code_of.instructions(code), code_of.index_at(code, position)
    if index is None or steps[index].opname != "LOAD_ATTR":
        return None, ""
    name, use = code_of.loaded_name(steps[:index]) or "t", "read"
    following = steps[index + 1 :]
    after = following[0].opname if following else ""
    called = {str(one.argval) for one in steps[max(index - 4, 0) : index]}
    if after in _USES:
        use = "used"
    elif after.startswith(_QUESTIONS) or _is_asked_later(following) or called & _ASK:
        return None, name
    else:  # the first operand of something: the smallest expression that begins where it does
        start, end = code_of.source_range(steps[index])
        ranges = [(code_of.source_range(one), one.opname) for one in following]
        first = next((op for (at, to), op in ranges if at == start and to > end), "")
        if first.startswith(_QUESTIONS):
            return None, name
        if first in ("BINARY_OP", "BINARY_SUBSCR", "BINARY_SLICE"):
            use = "used"
    return use, name


def _is_asked_later(steps: Sequence[Any]) -> bool:
    """Whether the value is put into a variable, and anything asks whether that is None.

    pytest does so with the parts of an asserted expression.
    """
    if steps and steps[0].opname == "COPY":  # `(g := t.grad) is None`
        if any(one.opname.startswith(_QUESTIONS) for one in steps[2:4]):
            return True
        steps = steps[1:]
    if not steps or not steps[0].opname.startswith("STORE_"):
        return False
    name = steps[0].argval
    loads = [index for index, step in enumerate(steps) if index and step.argval == name]
    asked = any(one.opname.startswith(_QUESTIONS) for i in loads for one in steps[i + 1 : i + 3])
    return asked or str(name).startswith("@py_")
