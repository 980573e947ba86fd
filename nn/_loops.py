"""Whether a call in a program stands in a loop that makes the same call again and again."""

import ast
import linecache
from collections.abc import Iterator
from types import FrameType

_LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
# What a call of the user's may contain in its name if it gives something else each time.
_NEW = ("next", "rand", "sample", "batch", "choice", "normal", "uniform", "pop", "get", "read")


def repeats(frame: FrameType) -> bool:
    """Whether the call that a frame is in is repeated by a loop around it as it is.

        for _ in range(50):
            samples.append(model(x))

    Nothing in its arguments is assigned in the loop or made anew, and no step of an optimiser is
    in there.  False where the source is unknown.
    """
    text = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    at = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    call, loop = _found(tree, at)
    if call is None or loop is None:
        return False
    body = [node for part in _body(loop) for node in ast.walk(part)]
    if any(isinstance(node, ast.Attribute) and node.attr in ("step", "backward") for node in body):
        return False
    varying = {node.id for node in body if isinstance(node, ast.Name) and _is_stored(node)}
    varying |= {name for target in _targets(loop) for name in _names(target)}
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        made = [node for node in ast.walk(given) if isinstance(node, ast.Call)]
        if _names(given) & varying or any(_gives_new(each) for each in made):
            return False
    return True


def _found(tree: ast.AST, at: tuple[int | None, ...]) -> tuple[ast.Call | None, ast.AST | None]:
    """The call at a position (lines, then columns), and the innermost loop of its function."""
    stack: list[tuple[ast.AST, ast.AST | None]] = [(tree, None)]
    while stack:
        node, loop = stack.pop()
        if isinstance(node, ast.Call):
            place = node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
            if place == at:
                return node, loop
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            loop = None
        inside = list(_body(node)) if isinstance(node, _LOOPS) else []
        stack += [(child, loop) for child in ast.iter_child_nodes(node) if child not in inside]
        stack += [(child, node) for child in inside]
    return None, None


def _body(loop: ast.AST) -> Iterator[ast.AST]:
    """What a loop does each time."""
    if isinstance(loop, ast.For):
        yield from loop.body
    elif isinstance(loop, ast.DictComp):
        yield from (loop.key, loop.value)
    elif isinstance(loop, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        yield loop.elt


def _targets(loop: ast.AST) -> list[ast.AST]:
    """The variables of a loop."""
    if isinstance(loop, ast.For):
        return [loop.target]
    return [one.target for one in getattr(loop, "generators", ())]


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _gives_new(call: ast.Call) -> bool:
    """Whether the name of what is called says that it gives something else each time."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return any(word in name.lower() for word in _NEW)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
