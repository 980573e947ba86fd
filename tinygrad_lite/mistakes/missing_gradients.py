"""`.grad` is None, and the program goes on as if it were not.

`w = w - lr * w.grad` makes a new tensor, which is no leaf: the next backward pass fills `.grad` of
the first one, and Python's own words about None do not help.  Asking whether there is a gradient is
no mistake, so the instruction that reads it is looked at, and what is done with the value next.
"""

import sys
from functools import lru_cache
from types import CodeType
from typing import Any

from ..engine.graph import Leaf, Node
from .telling import tell

# What may follow the reading of a value that is used as a number, a tensor or an array.
_USES = ("LOAD_ATTR", "LOAD_METHOD", "BINARY_OP", "BINARY_SUBSCR", "UNARY_NEGATIVE", "GET_ITER")
# What asks whether there is one.
_QUESTIONS = ("IS_OP", "COMPARE_OP", "TO_BOOL", "UNARY_NOT", "POP_JUMP", "JUMP_IF", "CONTAINS_OP")


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


@lru_cache(1024)
def _use(code: CodeType, position: int) -> tuple[str | None, str]:
    """What code does with the attribute that it loads at this position, and of what it loads it.

    "used" where None makes Python raise next, "read" where it is kept or passed on, None where the
    question is only whether there is one, and where no attribute is loaded: getattr, copies.
    """
    import dis  # here, since few programs come here

    steps = list(dis.get_instructions(code))
    index = next((i for i, step in enumerate(steps) if step.offset == position), None)
    if index is None or steps[index].opname != "LOAD_ATTR":
        return None, ""
    name, use = _name(steps[:index]), "read"
    following = [step for step in steps[index + 1 :] if step.opname != "NOT_TAKEN"]
    after = following[0].opname if following else ""
    if after in _USES:
        use = "used"
    elif after.startswith(_QUESTIONS) or _in_assertion(following[:1]):
        return None, name
    else:  # the first operand of something: the smallest expression that begins where it does
        start, end = _range(steps[index])
        wider = [one for one in following if _range(one)[0] == start and _range(one)[1] > end]
        first = wider[0].opname if wider else ""
        if first.startswith(_QUESTIONS):
            return None, name
        if first in ("BINARY_OP", "BINARY_SUBSCR", "BINARY_SLICE"):
            use = "used"
    return use, name


def _range(step: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the expression that an instruction computes begins and ends; (0, 0) if unknown."""
    line, end_line, column, end_column = step.positions or (None,) * 4
    return (line or 0, column or 0), (end_line or 0, end_column or 0)


def _in_assertion(steps: list[Any]) -> bool:
    """Whether pytest keeps a part of an asserted expression here, to show it on failure."""
    return bool(steps) and str(steps[0].argval).startswith("@py_")


def _name(steps: list[Any]) -> str:
    """The variable, with its attributes, that these instructions end by loading."""
    names: list[str] = []
    for step in reversed(steps):
        if step.opname == "LOAD_ATTR":
            names.insert(0, step.argval)
        elif step.opname.startswith("LOAD_") and step.opname not in ("LOAD_CONST", "LOAD_METHOD"):
            last = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
            return ".".join([str(last), *names])
        else:
            break
    return "it" if not names else f"(...).{'.'.join(names)}"
