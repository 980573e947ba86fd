"""Writes docs/operations.md: every public method of Tensor and every primitive, from the code.

What a method computes and since when stands in its docstring; of which primitives it is made is
seen by running its rows in tests/catalogue/methods and looking at the nodes that they record.
A cell that would be long ends at a full stop, with a link to the source file for the rest.
"""

import ast
import inspect
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "catalogue")]

import numpy as np  # noqa: E402
from methods import ROWS, Row, listed  # noqa: E402

from tinygrad_lite import Tensor  # noqa: E402
from tinygrad_lite.engine.function import Primitive  # noqa: E402
from tinygrad_lite.files import replacing  # noqa: E402
from tinygrad_lite.ops import primitives  # noqa: E402

PAGE = ROOT / "docs" / "operations.md"
FIRST = "0.1.0"
LIMIT = 200  # characters of a cell, as written here; tests/docs holds it for every page
INTRODUCTION = """# Operations

Every operation of `Tensor`, by theme, and after them the primitives that they are composed of. This
page is generated from the docstrings and from recorded graphs: `make docs` writes it again.
`x[i]` and `x[i] = v` accept all of NumPy's indices. Methods that are not operations (`data`,
`grad`, `backward`, `item`, `register_hook` ...) are in the API pages, which `make docs` builds.

A **primitive** has its own derivative rule. A **composed** method gets its derivative from its
parts by the chain rule. If a function has a corner, [this page](gradients-at-corners.md) says which
derivative it has there. Every method exists since version {first}, unless its line says otherwise.
"""
METHODS = """## Methods of Tensor

*made of* names the primitives that a call records; those after *also*, only with some options or
shapes. If the cell under *derivative* is empty, the
derivative follows from theirs by the chain rule.
"""
PRIMITIVES = """## Primitives

There are {count}. *keeps* names the values that are saved until the backward pass. A long docstring
is cut at a full stop; *more* links to the file with the rest.
"""


def themes() -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """The class of methods of each theme: its module, its summary, its methods in their order."""
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
    "losses_classes": "Losses of class labels",
    "losses_probabilities": "Losses of probabilities",
    "losses_regression": "Losses of numbers",
    "losses_distances": "Distances and losses of distances",
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
    """The text, cut after each full stop but those of initials, as in W. J. Cody."""
    return [part.strip() for part in re.split(r"(?<=[.])(?<! [A-Z][.])\s+", text) if part.strip()]


def leading(text: str, room: int) -> str:
    """The first sentences of the text, as many as fit into `room` characters."""
    kept = ""
    for sentence in sentences(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > room:
            break
        kept = longer
    return kept


def link(text: str, path: str) -> str:
    """A link from the page to a file of the repository."""
    return f"[{text}]({os.path.relpath(ROOT / path, PAGE.parent)})"


def shortened(text: str, path: str) -> str:
    """The text, as a cell takes it: whole if it is short enough, else its start and a link."""
    text, more = cell(text), link("more", path)
    if len(text) <= LIMIT:
        return text
    kept = leading(text, LIMIT - len(more) - 1)
    return f"{kept} {more}" if kept else f"see {link(Path(path).name, path)}"


def since(thing: Any) -> str:
    """The version that its docstring names, or the first one."""
    found = re.search(r"Since (\d+\.\d+\.\d+)\.", inspect.getdoc(thing) or "")
    return found.group(1) if found else FIRST


def call_of(name: str, member: Any) -> str:
    """The call with its arguments, as `x.sum(axis=None, keepdim=False)`."""
    if isinstance(member, property):
        return f"x.{name}"
    arguments: list[str] = []
    first = 0 if isinstance(member, staticmethod) else 1  # self, or the class
    for parameter in list(inspect.signature(plain(member)).parameters.values())[first:]:
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and not any(a[0] == "*" for a in arguments):
            arguments.append("*")
        default = "" if parameter.default is parameter.empty else f"={shown(parameter.default)}"
        arguments.append(f"{star}{parameter.name}{default}")
    owner = "Tensor" if isinstance(member, (classmethod, staticmethod)) else "x"
    return f"{owner}.{name}({', '.join(arguments)})"


def shown(value: Any) -> str:
    """A default as it is written."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return getattr(value, "__name__", None) or repr(value)


def recorded(name: str) -> list[tuple[str, ...]]:
    """For each call in the method's rows, the primitives that it records, in order of use."""
    rows = [row for row in ROWS if row.method == name and "f" in row.kinds]
    return [tuple(run(row, variant)) for row in rows for variant in row.shapes]


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
    except (TypeError, ValueError):  # a method of integers, or one that needs an argument
        return []


def names_between(results: Any, stop: set[Any]) -> list[str]:
    """The classes of the nodes from the results back to `stop`, oldest first."""
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


TELLS_DERIVATIVE = re.compile(r"\bd\w*/d\w|\bd\w = |derivative(?!s of every order)|gradient")


def prose(thing: Any) -> str:
    """Its docstring without the list of arguments and what follows."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    return "\n".join(
        itertools.takewhile(lambda line: not re.match(r"\w+(, \w+)*  +\S|Errors?:", line), lines)
    )


def derivative_of(thing: Any) -> str:
    """The sentences of its docstring that tell the derivative."""
    whole = prose(thing)
    for part in (whole.split("\n\n")[0], whole):
        told = [text for text in sentences(" ".join(part.split())) if TELLS_DERIVATIVE.search(text)]
        if told:
            break
    return " ".join(told)


def formula_and_derivative(cls: type[Primitive]) -> tuple[str, str]:
    """The docstring of a primitive in two cells: up to the derivative, and from there on."""
    found = sentences(" ".join(prose(cls).split()))
    tells = [bool(TELLS_DERIVATIVE.search(sentence)) for sentence in found]
    start = max(tells.index(True), 1) if True in tells else len(found)
    path = path_of(cls.__module__)
    formula, slope = (" ".join(part) for part in (found[:start], found[start:]))
    if len(cell(formula)) > LIMIT:
        return shortened(formula, path), leading(cell(slope), LIMIT)
    return cell(formula), shortened(slope, path)


def keeps(cls: type[Primitive]) -> str:
    """What the graph holds for the backward pass of this primitive."""
    read = dict.fromkeys(name for names in cls.reads.values() for name in names)
    return ", ".join(sorted(read, key=lambda name: name == "y")) or "nothing"


def cell(text: str) -> str:
    """Text that a column of a Markdown table takes as it is; in `code` only bars are escaped."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*]|<(?=[a-z]))", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts).replace("|", "\\|")


def code(text: str) -> str:
    """Text as code, in a column of a Markdown table."""
    return "`" + text.replace("|", "\\|") + "`"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, without the columns in which no row has anything."""
    lines = [list(columns), *map(list, rows)]
    used = [column for column, filled in enumerate(zip(*lines[1:], strict=True)) if any(filled)]
    lines = [[line[column] for column in used] for line in lines]
    lines.insert(1, ["---"] * len(used))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def method_rows(
    module: str, members: list[tuple[str, Any]], known: dict[str, type[Primitive]]
) -> Iterator[list[str]]:
    """The lines of a theme's table."""
    path = path_of(module)
    for name, member in members:
        function = plain(member)
        calls = recorded(name)
        parts = list(itertools.chain(*calls)) or bare(name, member) or applied(member)
        parts = list(dict.fromkeys(part for part in parts if part in known))
        parts = [part for part in parts if part != "Cast"] or parts  # an option, or float16
        slope = derivative_of(function)
        if slope in summary(function):  # it stands there already
            slope = ""
        own = next((part for part in parts if is_it(part, name, member)), None)
        if own and (len(parts) == 1 or (own,) in calls):
            slope = slope or derivative_of(known[own])
            made = "primitive " + own
            others = [part for part in parts if part != own]
            made += f"; also {', '.join(others)}" if others else ""
        else:
            made = "composed: " + ", ".join(parts) if parts else ""
        text = summary(function)
        if since(function) != FIRST:
            text += f" Since {since(function)}."
        yield [code(call_of(name, member)), shortened(text, path), shortened(slope, path), made]


def primitive_rows(module: str, known: dict[str, type[Primitive]]) -> Iterator[list[str]]:
    """The lines of the table of one file of primitives."""
    for name, cls in known.items():
        if cls.__module__ == module:
            yield [name, *formula_and_derivative(cls), keeps(cls)]


def path_of(module: str) -> str:
    """The file of a module, from the root of the repository."""
    return module.replace(".", "/") + ".py"


def index(titles: Iterable[str]) -> str:
    """One line of links to sections of this page."""
    return " · ".join(f"[{title}](#{anchor(title)})" for title in titles)


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def page() -> str:
    """The whole text."""
    known = registry()
    modules = list(dict.fromkeys(cls.__module__ for cls in known.values()))
    by_theme = {module.split(".")[-1]: (module, *rest) for module, *rest in themes()}
    files = {module: module.removeprefix("tinygrad_lite.").replace(".", "/") for module in modules}
    parts = [
        INTRODUCTION.format(first=FIRST),
        f"**Methods:** {index(TITLES.values())}\n",
        f"**Primitives:** {index(files.values())}\n",
        METHODS,
    ]
    columns = ["call", "what it computes", "derivative", "made of"]
    for theme, title in TITLES.items():
        module, text, members = by_theme[theme]
        path = path_of(module)
        parts.append(f"### {title}\n\n{cell(text)} ({link(path, path)})\n")
        parts.append(table(columns, method_rows(module, members, known)))
    parts.append(PRIMITIVES.format(count=len(known)))
    columns = ["primitive", "formula", "derivative and corners", "keeps"]
    for module, title in files.items():
        path = path_of(module)
        parts.append(f"### {title}\n\n{cell(summary(sys.modules[module]))} ({link(path, path)})\n")
        parts.append(table(columns, primitive_rows(module, known)))
    return "\n".join(parts)


if __name__ == "__main__":
    with replacing(PAGE) as file:
        file.write(page().encode())
    print(f"{PAGE.relative_to(ROOT)} written")
