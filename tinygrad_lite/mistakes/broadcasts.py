"""A column against a row: `((prediction - y) ** 2).mean()` of shapes (N, 1) and (N,).

NumPy's rules make (N, N) of them, and the loss compares every prediction with every target.  It is
noticed where all of an (N, N) tensor is summed or averaged.  The graph tells which op made it so,
and the shapes of the operands that need a gradient; of the other one the user's code tells.  All
pairs are often meant: then an axis is inserted where it can be seen, `x[:, None] - x`, and nothing
is told.  Nor is it where anything else is not sure.

Imported when such a tensor is summed for the first time.
"""

from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

from ..arrays.shapes import Shape
from ..engine.graph import Node, TensorBase
from ..engine.recording import user_frame
from .instructions import instructions, is_item, loaded_name, source_range, variable
from .telling import tell

_SIGNS = {"Sub": "-", "Add": "+", "Mul": "*", "Div": "/"}
# Ops of one element each, through which the mistake is followed.
_ELEMENTWISE = {
    *("Neg", "Pow", "Abs", "Huber", "Relu", "Mask", "Clip", "Cast", "Where", "Maximum", "Minimum"),
    *("Exp", "Log", "LogBase", "Expm1", "Log1p", "Sqrt", "Tanh", "Sigmoid", "Softplus", "Cosh"),
    *_SIGNS,
}
_NO_LOSS = {"Add", "Div"}  # which compare nothing: all sums of two, all ratios
_MOST_NODES = 24
# Methods whose result has the shape of what they are called of.
_SAME_SHAPE = {"float", "double", "astype", "cast", "to", "detach", "numpy", "copy", "clone"}


def look(total: str, tensor: Any) -> None:
    """All of an (N, N) tensor is about to be reduced: tell, if it should have had N elements."""
    size = len(tensor._data)
    if size < 2:
        return
    frame = user_frame()
    for node in _followed(tensor._node, (size, size), frame):
        found = _mistaken(node, size, frame)
        if found is not None:
            shapes, names = found
            kind = type(node).__name__
            left, right = (name or "..." for name in names)
            column = names[shapes.index((size, 1))]
            fix = (
                f"{column}.reshape(-1)"
                if column
                else f"reshape(-1) of the one of shape {(size, 1)}"
            )
            tell(
                f"{total}: `{left} {_SIGNS.get(kind, kind)} {right}` of shapes {shapes[0]} and "
                f"{shapes[1]} broadcasts to {(size, size)}: every prediction meets every target; "
                f"make the shapes equal, with {fix}"
            )
            return


def _followed(node: Node, shape: Shape, frame: FrameType) -> list[Any]:
    """The elementwise ops that made a tensor of this shape, from this node backwards.

    None of them if one was given a matrix of this shape that something else made: that is the
    shape which is meant, as in `(a * a).sum(1, keepdim=True) + (b * b).sum(1) - 2 * a @ b.T`.
    """
    stack, seen, found = [node], {node}, list[Any]()
    while stack and len(found) < _MOST_NODES:
        op: Any = stack.pop()
        if type(op).__name__ not in _ELEMENTWISE:
            return []
        found.append(op)
        shapes = [_shape_of(op, position) for position in range(len(op.parents))]
        given = (known for one, known in zip(op.parents, shapes, strict=True) if one is None)
        if type(op).__name__ in _SIGNS and shape in given:
            return []
        unknown = None in shapes
        if unknown and not _with_a_number(op, frame):
            continue  # another operand may have this shape on its own
        for parent in op.parents:
            if parent is not None and parent.out_shape == shape and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return found


def _shape_of(op: Any, position: int) -> Shape | None:
    """The shape of an operand; None if the op saved nothing that tells."""
    parent = op.parents[position]
    if parent is not None:
        return tuple(parent.out_shape)
    saved = op.saved_inputs
    return None if saved is None or saved[position] is None else np.shape(saved[position])


def _mistaken(op: Any, size: int, frame: FrameType) -> Any:
    """The shapes and names of the operands, if surely a column meets a row by mistake."""
    column, row = (size, 1), (size,)
    if len(op.parents) != 2 or not op.broadcasts or type(op).__name__ in _NO_LOSS:
        return None
    shapes = [_shape_of(op, position) for position in (0, 1)]
    if not {column, row} & set(shapes) or not set(shapes) <= {column, row, None}:
        return None
    given = [
        operands
        for operands in _operands_of(_SIGNS.get(type(op).__name__), frame)
        if all(
            one is None or _fits(one.value, shape, (column, row))
            for one, shape in zip(operands, shapes, strict=True)
        )
    ]
    names = [one.name if one else None for one in given[0]] if given else [None, None]
    if None not in op.parents:
        if set(shapes) != {column, row} or _is_inserted(op.parents[shapes.index(column)], size):
            return None
        first, second = map(_before_views, op.parents)
        return None if first is second else (shapes, names)
    constant = op.parents.index(None)
    other = op.parents[1 - constant]
    wanted = row if other.out_shape == column else column
    if shapes[constant] not in (wanted, None) or (wanted == row and _is_inserted(other, size)):
        return None
    if _is_of_a_weight(other) and (wanted == column or type(op).__name__ != "Sub"):
        return None  # a weight times an input, or the distance of each input to each centre
    if shapes[constant] is None or wanted == column:  # what else the code may mean must agree
        found = [operands[constant] for operands in given]
        if not found or any(one is None or _array(one.value).shape != wanted for one in found):
            return None
        shapes[constant] = wanted
    return shapes, names


def _is_of_a_weight(node: Any) -> bool:
    """Whether this is a weight, or computed from one alone: -rate, or scale.exp()."""
    while node.parents:
        before = [one for one in node.parents if one is not None]
        if len(before) != 1 or before[0].out_shape != node.out_shape:
            return False
        (node,) = before
    return True


def _before_views(node: Any) -> Any:
    """The node whose result this is a view of: x, of x.squeeze(1)."""
    while getattr(node, "views", False) and len(node.parents) == 1 and node.parents[0] is not None:
        (node,) = node.parents
    return node


def _is_inserted(node: Node, size: int) -> bool:
    """Whether the second axis of this column was inserted, so that all pairs are meant."""
    while True:
        shapes = [tuple(one.out_shape) for one in node.parents if one is not None]
        if any(len(shape) != 2 for shape in shapes):
            return len(shapes) == 1
        columns = [one for one in node.parents if one is not None and one.out_shape == (size, 1)]
        if not columns:
            return any(shape == (1, size) for shape in shapes) and len(shapes) == 1
        node = columns[0]


# What the user's code says


class _Operand:
    """An operand that is a variable, an attribute of one, or an item of one."""

    def __init__(self, value: Any, name: str | None) -> None:
        self.value, self.name = value, name


def _array(value: Any) -> Any:
    return value._data if isinstance(value, TensorBase) else value


def _fits(value: Any, shape: Shape | None, shapes: Sequence[Shape]) -> bool:
    """Whether a value in the user's code may be an operand of this shape; None: one of `shapes`."""
    array = _array(value)
    if not isinstance(array, np.ndarray):
        return False
    return array.shape in shapes if shape is None else array.shape == shape


def _with_a_number(op: Any, frame: FrameType) -> bool:
    """Whether the code has this operator with a number on the side that is constant."""
    sign, constant = _SIGNS.get(type(op).__name__), op.parents.index(None)
    for index, step in _operators(frame, sign):
        steps = instructions(frame.f_code)[:index]
        start = source_range(step)[0]
        beside = (
            [steps[-1]] if constant else [one for one in steps if source_range(one)[0] == start]
        )
        for one in beside:
            if one.opname.startswith("LOAD_") and isinstance(one.argval, (int, float)):
                return True
    return False


def _operators(frame: FrameType, sign: str | None) -> list[tuple[int, Any]]:
    """Where the code has this operator: in the expression that is reduced, or else anywhere."""
    steps = instructions(frame.f_code)
    found = [
        (index, step)
        for index, step in enumerate(steps)
        if step.opname == "BINARY_OP" and step.argrepr == sign
    ]
    running = next((step for step in steps if step.offset == frame.f_lasti), None)
    if running is None:
        return found
    start, end = source_range(running)
    inside = [
        (index, step)
        for index, step in found
        if start <= source_range(step)[0] and source_range(step)[1] <= end
    ]
    return inside or found


def _operands_of(
    sign: str | None, frame: FrameType
) -> list[tuple[_Operand | None, _Operand | None]]:
    """The operands of each such operator in the code, None for an expression of another form."""
    found = []
    code = instructions(frame.f_code)
    for index, step in _operators(frame, sign):
        right, start = _expression(code, index, frame)
        left = _expression(code, start, frame)[0] if right is not None else None
        if left is None:
            left = _first(code[:index], step, frame)
        found.append((left, right))
    return found


def _first(steps: Sequence[Any], step: Any, frame: FrameType) -> _Operand | None:
    """The left operand of an operator, if it is a variable alone: all else begins there too."""
    start, end = source_range(step)
    same = [one for one in steps if source_range(one)[0] == start and source_range(one)[1] <= end]
    name = variable(same[0]) if len(same) == 1 and start != (0, 0) else None
    return None if name is None else _Operand(_value(name, frame), name)


def _expression(steps: Sequence[Any], end: int, frame: FrameType) -> tuple[_Operand | None, int]:
    """The simple expression whose instructions end before this index, and where they begin."""
    if not end:
        return None, 0
    step = steps[end - 1]
    if name := variable(step):
        return _Operand(_value(name, frame), name), end - 1
    if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
        return _Operand(step.argval, repr(step.argval)), end - 1
    if step.opname == "LOAD_ATTR":
        inner, start = _expression(steps, end - 1, frame)
        if inner is None or not isinstance(attributes := _attributes(inner.value), dict):
            return None, 0
        return _Operand(attributes.get(step.argval), loaded_name(steps[:end])), start
    if step.opname == "CALL" and step.argval in (0, 1):
        return _same_elements(steps, end - 1, step.argval, frame)
    if is_item(step):
        known, key, middle = _key(steps, end - 1, frame)
    elif step.opname == "BINARY_SLICE":
        known, key, middle = _slice(steps, end - 1, frame)
    else:
        return None, 0
    inner, start = _expression(steps, middle, frame) if known and key is not None else (None, 0)
    return (None, 0) if inner is None else (_item(inner, key), start)


def _same_elements(
    steps: Sequence[Any], end: int, count: int, frame: FrameType
) -> tuple[_Operand | None, int]:
    """What a call like `y.float()`, `y.astype(kind)` or `Tensor(y)` makes another tensor of."""
    given, middle = _expression(steps, end, frame) if count else (None, end)
    if (count and given is None) or not middle:
        return None, 0
    called = steps[middle - 1]
    if called.opname in ("LOAD_METHOD", "LOAD_ATTR") and called.argval in _SAME_SHAPE:
        return _expression(steps, middle - 1, frame)
    function = _value(variable(called) or "", frame)
    makes = isinstance(function, type) and issubclass(function, TensorBase)
    return (given, middle - 1) if makes and given is not None else (None, 0)


def _key(steps: Sequence[Any], end: int, frame: FrameType) -> tuple[bool, Any, int]:
    """The key of an item, if it is a variable, a text, a number, None, or a slice of such.

    Whether it is, the key, and where its instructions begin.
    """
    step = steps[end - 1] if end else None
    if step is None:
        return False, None, 0
    if name := variable(step):
        return True, _value(name, frame), end - 1
    if step.opname == "BUILD_SLICE" and step.argval == 2:
        return _slice(steps, end - 1, frame)
    plain = isinstance(step.argval, (int, str, slice)) or step.argval is None
    return step.opname.startswith("LOAD_") and plain, step.argval, end - 1


def _slice(steps: Sequence[Any], end: int, frame: FrameType) -> tuple[bool, Any, int]:
    """The same of a slice, whose start and stop are loaded last."""
    one, stop, middle = _key(steps, end, frame)
    two, start, first = _key(steps, middle, frame)
    return one and two, slice(start, stop), first


def _item(inner: _Operand, key: Any) -> _Operand | None:
    """An item of a list, a dict or an array; of a tensor, without recording anything."""
    value, key = _array(inner.value), _array(key)
    plain = type(value) in (list, tuple, dict, np.ndarray)
    if not plain or not isinstance(key, (int, str, slice, np.ndarray, np.integer, list)):
        return None
    try:
        found = value[key]
    except (LookupError, TypeError, ValueError):
        return None
    key = repr(key) if isinstance(key, (int, str)) else "..."
    return _Operand(
        np.asarray(found) if isinstance(value, np.ndarray) else found,
        f"{inner.name}[{key}]" if inner.name else None,
    )


def _value(name: str, frame: FrameType) -> Any:
    """The value of a variable, in the scope of the frame."""
    for names in (frame.f_locals, frame.f_globals):
        if name in names:
            return names[name]
    return None


def _attributes(value: Any) -> Any:
    """The attributes of an object, without running code of its class."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
