"""The text of a function of a table, with all that it uses, so that it can stand alone."""

import ast
import inspect
import textwrap
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

PLAIN = (bool, int, float, str, type(None), type(...))


class Text:
    """Collects definitions; `of(value)` is an expression for the value in their scope."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.definitions: dict[str, str] = {}

    def of(self, value: Any) -> str:
        """An expression; LookupError where there is none."""
        if isinstance(value, PLAIN):
            return {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}.get(
                repr(value), repr(value)
            )
        if isinstance(value, (tuple, list, set)):
            inside = ", ".join(self.of(item) for item in value)
            if isinstance(value, tuple):
                return f"({inside},)" if len(value) == 1 else f"({inside})"
            return f"[{inside}]" if isinstance(value, list) else f"{{{inside}}}"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.of(k)}: {self.of(v)}" for k, v in value.items()) + "}"
        if isinstance(value, slice):
            return f"slice({self.of(value.start)}, {self.of(value.stop)}, {self.of(value.step)})"
        if isinstance(value, np.ndarray):
            return f"np.array({self.of(value.tolist())}, np.{value.dtype})"
        if isinstance(value, np.generic):
            return f"np.{value.dtype}({value.item()!r})"
        if isinstance(value, types.ModuleType):
            name = {"numpy": "np"}.get(value.__name__, value.__name__.replace(".", "_"))
            line = f"import {value.__name__}"
            self.imports.add(line if name == value.__name__ else f"{line} as {name}")
            return name
        if inspect.isfunction(value) and not library(value.__module__):
            return self.function(value)
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        if module and name.isidentifier() and callable(value):
            self.imports.add(f"from {module} import {name}")
            return name
        raise LookupError(f"no text for {value!r}")

    def function(self, function: Any) -> str:
        """The expression of a lambda; the name of a function, whose text is put in front."""
        tree = node_of(function)
        if isinstance(tree, ast.Lambda):
            return f"({ast.unparse(self.bound(tree, function))})"
        name = function.__name__
        if name not in self.definitions:
            self.definitions[name] = ""  # it may call itself
            self.definitions[name] = ast.unparse(self.bound(tree, function))
        return name

    def bound(self, tree: Any, function: Any) -> Any:
        """The tree with the values that its outer names and defaults have now."""
        outer = inspect.getclosurevars(function)
        values = {**outer.globals, **outer.nonlocals}
        defaults = iter(function.__defaults__ or ())
        arguments = tree.args
        arguments.defaults = [self.parsed(next(defaults)) for _ in arguments.defaults]
        inner = set()
        for part in ast.walk(tree):
            if isinstance(part, ast.arg):
                inner.add(part.arg)
                part.annotation = None  # it may need an import
            elif isinstance(part, ast.FunctionDef):
                part.returns = None
        found = {name: self.parsed(value) for name, value in values.items() if name not in inner}
        return Named(found).visit(tree)

    def parsed(self, value: Any) -> ast.expr:
        return ast.parse(self.of(value), mode="eval").body

    def preamble(self) -> str:
        """The imports and definitions that the expressions need."""
        return "\n".join([*sorted(self.imports), "", *self.definitions.values()]).strip()


class Named(ast.NodeTransformer):
    """Puts expressions in the place of names that are read."""

    def __init__(self, found: dict[str, ast.expr]) -> None:
        self.found = found

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self.found:
            return self.found[node.id]
        return node


def library(module: str | None) -> bool:
    return (module or "").split(".")[0] in ("numpy", "torch", "tinygrad_lite", "math", "builtins")


@cache
def parsed_file(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text())


def node_of(function: Any) -> Any:
    """A fresh tree of the function's text: the innermost one that holds all its instructions."""
    code = function.__code__
    if function.__name__ != "<lambda>":
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        tree.decorator_list = []  # type: ignore[attr-defined]
        return tree
    spans = [
        ((first, left), (last, right))
        for first, last, left, right in code.co_positions()
        if first is not None and left is not None and right and (first, left) != (last, right)
    ]
    spans = [span for span in spans if span[0] != (code.co_firstlineno, 0)]
    begin, end = min(start for start, _ in spans), max(stop for _, stop in spans)
    holding = [
        node
        for node in ast.walk(parsed_file(code.co_filename))
        if isinstance(node, ast.Lambda)
        and (node.body.lineno, node.body.col_offset) <= begin
        and end <= (node.body.end_lineno, node.body.end_col_offset)
    ]
    smallest = min(holding, key=lambda node: (node.end_lineno - node.lineno, node_width(node)))
    return ast.parse(ast.unparse(smallest), mode="eval").body


def node_width(node: ast.expr) -> int:
    return (node.end_col_offset or 0) - node.col_offset
