"""What a call in a program is for, as the loops say that stand around it or before it."""

import ast
import linecache
from collections.abc import Iterator
from types import FrameType
from typing import Any

_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
# What a call of the user's may contain in its name if it gives something else each time.
_NEW = ("next", "rand", "sample", "batch", "choice", "normal", "uniform", "pop", "get", "read")


def repeats(frame: FrameType) -> bool:
    """Whether the call that a frame is in is repeated by a loop around it as it is.

        for _ in range(50):
            samples.append(model(x))

    Nothing in its arguments is assigned in the loop or made anew, and no step of an optimiser is
    in there.  False where the source is unknown.
    """
    tree = _source(frame)
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


def is_trained_on(frame: FrameType) -> bool:
    """Whether what is assigned in the line that a frame is in becomes part of the next loss.

    with no_grad():
        labels = model(x).argmax(1)
    loss = model(x).cross_entropy(labels)
    loss.backward()
    """
    line, nodes = frame.f_lineno, _scope(frame)
    later = [one for one in _calls(nodes, "backward") if one.lineno > line]
    if not later:
        return False
    last = min(later, key=lambda one: one.lineno)
    wanted = _read(last.func.value)
    assigned = [one for one in nodes if isinstance(one, ast.Assign | ast.AugAssign)]
    branches = {each for one in nodes if isinstance(one, ast.If) for each in _all(one)}
    for one in sorted(assigned, key=lambda one: -one.lineno):
        targets = one.targets if isinstance(one, ast.Assign) else [one.target]
        stored = {name for target in targets for name in _stored(target)}
        if one.lineno > last.lineno or not stored & wanted:
            continue
        if _spans(one, line):
            return True
        if isinstance(one, ast.Assign) and one not in branches:
            wanted -= stored
        wanted |= _read(one.value)
    return False


def takes_turns(frame: FrameType) -> bool:
    """Whether the training loop around a line, or before it, has two optimisers with own losses.

        critic_loss.backward()
        critic_optimizer.step()
        loss.backward()
        optimizer.step()

    So a generator is trained, and people look at its images as it makes them.
    """
    loops = [one for one in _scope(frame) if isinstance(one, ast.For | ast.While)]
    loops = [one for one in loops if one.lineno <= frame.f_lineno and _calls(_all(one), "step")]
    inner = {each for one in loops for each in _all(one) if each is not one}
    loop = max((one for one in loops if one not in inner), key=lambda o: o.lineno, default=None)
    if loop is None:
        return False
    calls = [*_calls(_all(loop), "step"), *_calls(_all(loop), "backward")]
    stepped, passed = "", False
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        if call.func.attr == "backward":
            passed = True
            continue
        receiver = ast.unparse(call.func.value)
        if stepped and passed and receiver != stepped:
            return True
        stepped, passed = receiver, False
    return False


def _source(frame: FrameType) -> ast.AST:
    """The source of the file that a frame is in; empty where it is unknown."""
    text = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _scope(frame: FrameType) -> list[Any]:
    """All of the function that a frame is in, or of the script."""
    tree = _source(frame)
    functions = [one for one in _all(tree) if isinstance(one, ast.FunctionDef)]
    around = [one for one in functions if _spans(one, frame.f_lineno)]
    return _all(max(around, key=lambda one: one.lineno, default=tree))


def _all(node: Any) -> list[Any]:
    return list(ast.walk(node))


def _spans(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= (node.end_lineno or node.lineno))


def _calls(nodes: list[Any], method: str) -> list[Any]:
    """The calls of a method of this name."""
    calls = [one for one in nodes if isinstance(one, ast.Call)]
    return [one for one in calls if getattr(one.func, "attr", None) == method]


def _read(node: ast.AST) -> set[str]:
    """The variables in an expression, and the attributes: "self.labels"."""
    attributes = [each for each in ast.walk(node) if isinstance(each, ast.Attribute)]
    return _names(node) | {ast.unparse(each) for each in attributes}


def _stored(target: ast.AST) -> set[str]:
    """What an assignment changes: variables and attributes."""
    if isinstance(target, ast.Tuple | ast.List):
        return {name for each in target.elts for name in _stored(each)}
    if isinstance(target, ast.Subscript | ast.Starred):
        return _stored(target.value)
    return {ast.unparse(target)}


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
    if isinstance(loop, ast.For | ast.While):
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
