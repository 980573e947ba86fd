"""Whether a line of a program stands in a loop that does the same again and again."""

import ast
import linecache
from collections.abc import Iterator
from types import FrameType

LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


def repeats(frame: FrameType) -> bool:
    """Whether the line that a frame is in is a call which a loop around it repeats as it is.

        for _ in range(50):
            samples.append(model(x))

    Nothing in its arguments depends on the loop's variable, and no step of an optimiser is there.
    False where the source is unknown.
    """
    code, line = frame.f_code, frame.f_lineno
    text = "".join(linecache.getlines(code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    loops = [node for node in ast.walk(tree) if isinstance(node, LOOPS) and _spans(node, line)]
    loops = [loop for loop in loops if loop.lineno >= code.co_firstlineno]
    if not loops:
        return False
    loop = max(loops, key=lambda one: (one.lineno, one.col_offset))
    parts = list(_body(loop))
    nodes = [node for part in parts for node in ast.walk(part)]
    if any(isinstance(node, ast.Attribute) and node.attr in ("step", "backward") for node in nodes):
        return False
    varying = _varying(loop, nodes)
    calls = [node for node in nodes if isinstance(node, ast.Call) and _spans(node, line)]
    given = [each for call in calls for each in (*call.args, *(k.value for k in call.keywords))]
    return bool(calls) and not any(_names(each) & varying for each in given)


def _spans(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _body(loop: ast.AST) -> Iterator[ast.AST]:
    """What a loop does each time."""
    if isinstance(loop, ast.For):
        yield from loop.body
    elif isinstance(loop, ast.DictComp):
        yield from (loop.key, loop.value)
    elif isinstance(loop, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        yield loop.elt


def _varying(loop: ast.AST, nodes: list[ast.AST]) -> set[str]:
    """The variable of the loop, and those that are computed from it."""
    if isinstance(loop, ast.For):
        varying = _names(loop.target)
    else:
        varying = set().union(*(_names(one.target) for one in getattr(loop, "generators", ())))
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    for _ in assigned:  # often enough for a chain of them
        for node in assigned:
            if _names(node.value) & varying:
                varying |= set().union(*map(_names, node.targets))
    return varying


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
