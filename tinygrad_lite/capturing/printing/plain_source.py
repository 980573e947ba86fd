"""The source of a definition as plain Python: no annotations, docstrings or decorators of ours.

Names that mean something in its module become those that the same things have in the program.
"""

import ast
import builtins
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

OURS = ("tinygrad_lite", "nn")

# Decorators that mean nothing in a printed program.
LEFT_OUT = {"whole", "each_time", "recorded", "quiet", "typed"}

# Attributes of classes that only the engine reads.
ENGINES = {"__slots__", "reads", "results", "fresh", "broadcasts", "views", "scalars", "saves"}


class NotPrintable(Exception):
    """There is no text for a value, or no source of a function."""


@functools.lru_cache(maxsize=256)
def _statements_of(module: str) -> dict[str, ast.stmt]:
    """The statements at the top of a module, by the names that they bind."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, SyntaxError, TypeError):
        return {}
    found: dict[str, ast.stmt] = {}
    for one in _statements(tree):
        for name in _bound(one):
            found.setdefault(name, one)
    return found


def definition(module: str, name: str) -> ast.stmt | None:
    """The statement at the top of a module that binds a name."""
    return _statements_of(module).get(name)


def source_module(module: str, node: ast.ImportFrom) -> str:
    """The module from which a statement in another one imports."""
    if not node.level:
        return node.module or ""
    package = getattr(sys.modules[module], "__package__", None) or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    for one in tree.body:
        yield one
        if isinstance(one, (ast.If, ast.Try)):
            yield from one.body


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {one.asname or one.name.partition(".")[0] for one in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return {
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
    return set()


class Plain(ast.NodeTransformer):
    """A definition without annotations, docstrings and decorators, and with the head's names."""

    def __init__(self, need: Callable[[str, str], str], module: str) -> None:
        self.need, self.module = need, module
        self.local: set[str] = set()

    def made(self, node: Any, name: str) -> Any:
        """The definition under a name."""
        self.local = _locals(node)
        if isinstance(node, ast.AnnAssign):
            node = ast.Assign([node.target], node.value or ast.Constant(None))
        made = self.visit(ast.parse(ast.unparse(ast.fix_missing_locations(node))).body[0])
        if isinstance(made, (ast.FunctionDef, ast.ClassDef)):
            made.name = name
        else:
            made.targets = [ast.Name(name, ast.Store())]
        return made

    def visit_Name(self, node: ast.Name) -> Any:
        """A name of the module becomes that of the head."""
        if node.id in self.local or not isinstance(node.ctx, ast.Load):
            return node
        if hasattr(builtins, node.id) and definition(self.module, node.id) is None:
            return node
        try:
            return ast.Name(self.need(self.module, node.id), ast.Load())
        except NotPrintable:
            return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """arguments.flag, of a module of ours, becomes flag."""
        if isinstance(node.value, ast.Name) and node.value.id not in self.local:
            found = definition(self.module, node.value.id)
            if isinstance(found, ast.ImportFrom):
                original = next(one.name for one in found.names
                                 if (one.asname or one.name) == node.value.id)  # fmt: skip
                inner = f"{source_module(self.module, found)}.{original}"
                if inner in sys.modules and inner.partition(".")[0] in OURS:
                    return ast.Name(self.need(inner, node.attr), ast.Load())
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """No annotations, no docstring, no decorators of ours."""
        node.returns = None
        given = node.args
        for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if one is not None:
                one.annotation = None
        node.decorator_list = [
            one for one in node.decorator_list if _decorator(one) not in LEFT_OUT
        ]
        node.body = _without_docstring(node.body)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """The same, and without what only the engine reads."""
        node.body = [one for one in _without_docstring(node.body) if not _for_engine(one)]
        node.body = node.body or [ast.Pass()]
        node.decorator_list = [
            one for one in node.decorator_list if _decorator(one) not in LEFT_OUT
        ]
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """The annotation says nothing, but it may make a field."""
        node.annotation = ast.Name("object", ast.Load())
        node.value = None if node.value is None else self.visit(node.value)
        return node


def _decorator(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.value.id if isinstance(node.value, ast.Name) else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _for_engine(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and bool(_bound(node) & ENGINES)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _locals(node: ast.AST) -> set[str]:
    """The names that functions inside a definition bind; a class's own names are not seen there."""
    found: set[str] = set()
    for function in ast.walk(node):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            found |= {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
            for one in ast.walk(function):
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                    found.add(one.id)
                elif isinstance(one, ast.FunctionDef) and one is not node and one is not function:
                    found.add(one.name)
        elif isinstance(function, ast.comprehension):
            found |= {one.id for one in ast.walk(function.target) if isinstance(one, ast.Name)}
    return found
