"""Writes docs/operations.md: every public method of Tensor and every primitive, from the code.

What a method does and since when stands in its docstring; of which primitives it is made is seen by
running its rows in tests/catalogue/methods and looking at the vertices that they record.
"""

import ast
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "catalogue")]

import numpy as np  # noqa: E402
from methods import ROWS, Row, listed  # noqa: E402

from tinygrad_lite import Tensor  # noqa: E402
from tinygrad_lite.engine.function import Primitive  # noqa: E402
from tinygrad_lite.ops import primitives  # noqa: E402

PAGE = ROOT / "docs" / "operations.md"
FIRST = "0.1.0"
INTRODUCTION = """# Operations

Every operation of `Tensor`, by theme, and below them the primitives that they are made of. This
page is written from the docstrings and from graphs that were recorded: `make docs` writes it anew.
`x[i]` and `x[i] = v` take NumPy's indices in full. What is no operation (`data`, `grad`,
`backward`, `item`, `register_hook` ...) stands in the API pages, which `make docs` builds.

A **primitive** has a derivative of its own; what is **composed** gets its derivative by the chain
rule from those of its parts. Where a function has a corner, [this page](gradients-at-corners.md)
says which slope it has there.
"""


def themes() -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """The class of methods of each theme: its file, its docstring, its methods as they stand."""
    for cls in dict.fromkeys((*Tensor.__bases__, *Tensor.__mro__)):
        module = cls.__module__
        if not module.startswith("tinygrad_lite.methods."):
            continue
        found = [
            (name, member)
            for name, member in vars(cls).items()
            if not name.startswith("_") and not inspect.ismemberdescriptor(member)
        ]
        if found:
            yield module, summary(cls), found


# The themes in the order of the page, by their file in tinygrad_lite/methods.
TITLES = {
    "operators": "Operators",
    "elementwise": "Elementwise functions",
    "trigonometry": "Trigonometric and hyperbolic functions",
    "comparison": "Comparison and logic",
    "casting": "Dtypes and copies",
    "activations": "Activations",
    "reduce": "Reductions",
    "scan": "Scans",
    "sorting": "Sorting",
    "movement": "Shapes and axes",
    "joining": "Joining and splitting",
    "padding": "Padding and windows",
    "gathering": "Gather, scatter and diagonals",
    "linalg": "Linear algebra",
    "convolution": "Convolution",
    "pooling": "Pooling",
    "resampling": "Interpolation",
    "attention": "Attention",
    "recurrent": "Recurrent cells",
    "losses": "Losses",
    "creation": "Creation",
    "random": "Random numbers",
    "updates": "Writing in place",
}


def plain(member: Any) -> Any:
    """The function behind a method, a class method or a property."""
    if isinstance(member, property):
        return member.fget
    return inspect.unwrap(getattr(member, "__func__", member))


def summary(thing: Any) -> str:
    """The first paragraph of its docstring, in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def sentences(text: str) -> list[str]:
    """The text, cut after each full stop."""
    return [part.strip() for part in re.split(r"(?<=[.])\s+(?=[^\s])", text) if part.strip()]


def since(thing: Any) -> str:
    """The version that its docstring names, or the first one."""
    found = re.search(r"Since (\d+\.\d+\.\d+)\.", inspect.getdoc(thing) or "")
    return found.group(1) if found else FIRST


def call_of(name: str, member: Any) -> str:
    """The call with its arguments, as `x.sum(axis=None, keepdim=False)`."""
    if isinstance(member, property):
        return f"x.{name}"
    arguments = []
    first = 0 if isinstance(member, staticmethod) else 1  # self, or the class
    for parameter in list(inspect.signature(plain(member)).parameters.values())[first:]:
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={shown(parameter.default)}"
        arguments.append(f"{star}{parameter.name}{default}")
    owner = "Tensor" if isinstance(member, (classmethod, staticmethod)) else "x"
    return f"{owner}.{name}({', '.join(arguments)})"


def shown(value: Any) -> str:
    """A default as it is written."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return getattr(value, "__name__", None) or repr(value)


def recorded(name: str) -> list[str]:
    """The primitives between the arguments and the results of the method, in order of use."""
    found: dict[str, None] = {}
    for row in ROWS:
        if row.method == name and "f" in row.kinds:
            for variant in row.shapes:
                found.update(dict.fromkeys(run(row, variant)))
    return list(found)


def run(row: Row, variant: Any) -> list[str]:
    """The primitives of one call."""
    member = inspect.getattr_static(Tensor, row.method)
    method, calls = getattr(Tensor, row.method), []

    def spy(*inputs: Any, **options: Any) -> Any:
        results = method(*inputs, **options)
        given = [*inputs, *options.values()]
        given += [item for value in given if isinstance(value, (list, tuple)) for item in value]
        stop = {value._node for value in given if isinstance(value, Tensor)}
        calls.append(names_between(results, stop))
        return results

    setattr(Tensor, row.method, spy if inspect.isfunction(member) else staticmethod(spy))
    try:
        leaves = [Tensor(array, requires_grad=True) for array in row.inputs(variant, np.float32)]
        row.call(*leaves)
    finally:
        owner = next(cls for cls in Tensor.__mro__ if row.method in vars(cls) and cls is not Tensor)
        delattr(Tensor, row.method)
        assert vars(owner)[row.method] is member
    return calls[-1] if calls else []  # the outermost, where the method calls itself


def bare(name: str, member: Any) -> list[str]:
    """The same for a method without a row that needs no arguments."""
    needed = [
        parameter
        for parameter in list(inspect.signature(plain(member)).parameters.values())[1:]
        if parameter.default is parameter.empty
    ]
    x = Tensor(np.array([[0.25, 0.75]]), requires_grad=True) * 1.0
    if isinstance(member, property):
        return names_between(getattr(x, name), {x._node})
    if needed or not inspect.isfunction(member):
        return []
    try:
        return names_between(getattr(x, name)(), {x._node})
    except TypeError:  # a method of integers
        return []


def names_between(results: Any, stop: set[Any]) -> list[str]:
    """The classes of the vertices from the results back to `stop`, oldest first."""
    found, stack = set(), [result._node for result in listed(results) if isinstance(result, Tensor)]
    while stack:
        node = stack.pop()
        if node is not None and node not in stop and node not in found:
            found.add(node)
            stack += node.parents
    ordered = sorted(found, key=lambda node: node.serial)
    return [type(node).__name__ for node in ordered if isinstance(node, Primitive)]


def applied(member: Any) -> list[str]:
    """What a method without a row names as `Op.apply`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain(member))))
    return [
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "apply"
        and isinstance(node.value, ast.Name)
    ]


def is_it(primitive: str, name: str, member: Any) -> bool:
    """Whether the method is the primitive itself, and not one use of it, as x * x is."""
    return primitive.lower() == name.replace("_", "") or primitive in applied(member)


def registry() -> dict[str, type[Primitive]]:
    """The primitives by name, in the order of their files."""
    found = primitives()
    line = {cls: inspect.getsourcelines(cls)[1] for cls in found}
    return {cls.__name__: cls for cls in sorted(found, key=lambda cls: (cls.__module__, line[cls]))}


def derivative_of(thing: Any) -> str:
    """The sentences of its docstring that tell the derivative; lists of arguments are left out."""
    text = inspect.getdoc(thing) or ""
    lines = itertools.takewhile(
        lambda line: not re.match(r"\w+(, \w+)*  +\S|Errors?:", line), text.splitlines()
    )
    whole = "\n".join(lines)
    for part in (whole.split("\n\n")[0], whole):
        told = re.compile(r"dy(_\w+)?/d|derivative|gradient")
        found = [
            sentence for sentence in sentences(" ".join(part.split())) if told.search(sentence)
        ]
        if found:
            break
    return " ".join(found)


def cell(text: str) -> str:
    """Text that a column of a Markdown table takes as it is."""
    return re.sub(r"([|*]|<(?=[a-z]))", r"\\\1", text)


def code(text: str) -> str:
    """Text as code, in a column of a Markdown table."""
    return "`" + text.replace("|", "\\|") + "`"


def method_table(members: list[tuple[str, Any]], known: dict[str, type[Primitive]]) -> list[str]:
    """The lines of a theme's table."""
    lines = [
        "| call | what it computes | derivative | made of | since |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, member in members:
        function = plain(member)
        parts = recorded(name) or bare(name, member) or applied(member)
        parts = list(dict.fromkeys(part for part in parts if part in known))
        parts = [part for part in parts if part != "Cast"] or parts  # an option, or float16
        own = derivative_of(function)
        own = "" if own in summary(function) else own  # it stands there already
        if not parts:
            made, slope = "", own
        elif len(parts) == 1 and is_it(parts[0], name, member):
            made, slope = f"primitive {parts[0]}", own or derivative_of(known[parts[0]])
        else:
            made, slope = "composed: " + ", ".join(parts), own or "by the chain rule"
        row = [code(call_of(name, member)), cell(summary(function)), cell(slope), made]
        lines.append(f"| {' | '.join([*row, since(function)])} |")
    return lines


def keeps(cls: type[Primitive]) -> str:
    """What the graph holds of an operation whose gradients are all wanted."""
    read = dict.fromkeys(name for names in cls.reads.values() for name in names)
    return ", ".join(sorted(read, key=lambda name: name == "y")) or "nothing"


def primitive_table(module: str, known: dict[str, type[Primitive]]) -> list[str]:
    """The lines of the table of one file of primitives."""
    lines = [
        "| primitive | formula, derivative, corners | keeps | since |",
        "| --- | --- | --- | --- |",
    ]
    for name, cls in known.items():
        if cls.__module__ == module:
            text = " ".join((inspect.getdoc(cls) or "").split())
            lines.append(f"| {name} | {cell(text)} | {keeps(cls)} | {since(cls)} |")
    return lines


def page() -> str:
    """The whole text."""
    known = registry()
    parts = [INTRODUCTION]
    by_theme = {module.split(".")[-1]: (module, *rest) for module, *rest in themes()}
    for theme, title in TITLES.items():
        module, text, members = by_theme[theme]
        path = module.replace(".", "/") + ".py"
        parts.append(f"## {title}\n\n{text} ([{path}](../{path}))\n")
        parts.append("\n".join(method_table(members, known)) + "\n")
    parts.append(
        f"# Primitives\n\nThere are {len(known)}. *keeps* says what the graph holds for backward.\n"
    )
    for module in dict.fromkeys(cls.__module__ for cls in known.values()):
        path = module.replace(".", "/") + ".py"
        parts.append(f"## {path}\n\n{summary(sys.modules[module])}\n")
        parts.append("\n".join(primitive_table(module, known)) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)} written")
