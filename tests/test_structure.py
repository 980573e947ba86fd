"""The rooms of the house: which may import which, how large the engine is, what is public."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import nn
import tinygrad_lite

ROOT = Path(tinygrad_lite.__file__).parent.parent

# Each room may import from those before it, and from itself.
ROOMS = {
    "tinygrad_lite": [
        *("files", "arrays", "engine", "source_lines", "mistakes", "ops", "methods"),
        *("numpy_protocol", "other_names", "displaying", "tensor", "derivatives"),
        *("checkpointing", "capturing"),
        *("check", "show"),
    ],
    "nn": [
        "_processes",
        "_other_names",
        "reflection",
        "_untrained",
        "_safetensors",
        "_paths",
        "state",
        "_repr",
        "_notebook",
        "_steps",
        "_loops",
        "_evaluation",
        "_lists",
        "parameter",
        "module",
        "init",
        "utils",
        "layers",
        "functional",
        "optim",
        "data",
        "datasets",
        "distributions",
        "training",
        "distributed",
    ],
}
# The folders of show/: each may import from those before it.
SHOW = [
    *("graph", "outline", "formulas", "page", "picture", "finiteness", "explaining", "ledger"),
]
# Where the small files of a room are tested for circles too.
FOLDERS = [
    *(f"tinygrad_lite/{room}" for room in ("arrays", "engine", "ops", "methods")),
    *(f"tinygrad_lite/{room}" for room in ("numpy_protocol", "capturing", "check", "show")),
    "tinygrad_lite/mistakes",
    "tinygrad_lite/capturing/printing",
    *(f"tinygrad_lite/show/{folder}" for folder in SHOW),
    *(
        "nn/layers",
        "nn/functional",
        "nn/optim",
        "nn/optim/schedules",
        "nn/data",
        "nn/data/augment",
        "nn/datasets",
        "nn/distributed",
        "nn/distributions",
        "nn/training",
        "nn/training/metrics",
        "nn/training/plots",
        "nn/training/snapshots",
    ),
]
ENGINE_LINES = 900


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def nodes(path: Path) -> Iterator[ast.AST]:
    """The whole syntax tree of a file.  Nobody keeps it: half a million objects of all files."""
    return ast.walk(ast.parse(path.read_text()))


@cache
def imported(path: Path) -> list[str]:
    """The full names of what a file imports, wherever the import stands."""
    place = path.relative_to(ROOT).with_suffix("").parts
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = place[: len(place) - node.level] if node.level else ()
            stem = (*base, *node.module.split(".")) if node.module else base
            found += [".".join((*stem, alias.name)) for alias in node.names]
    return found


def arrows(package: str) -> Counter[tuple[str, str]]:
    """How many imports run from one room of a package to another."""
    found: Counter[tuple[str, str]] = Counter()
    for path in files(package):
        room = path.relative_to(ROOT / package).with_suffix("").parts[0]
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1 and room not in ("__init__", parts[1]):
                found[room, parts[1]] += 1
    return found


def lines_of_code(source: str) -> int:
    """Lines that hold code: no blank lines, comments and docstrings."""
    tree = ast.parse(source)
    documented = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    code: set[int] = set()
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*empty, tokenize.ENDMARKER):
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - documented)


@pytest.mark.parametrize("package", ROOMS)
def test_imports_run_one_way(package: str) -> None:
    """`pytest -s -k one_way` prints the diagram: the rooms, and the arrows between them."""
    rooms, found = ROOMS[package], arrows(package)
    for room in rooms:
        targets = [f"{b} ({found[a, b]})" for a, b in sorted(found) if a == room]
        print(f"{package}/{room:<15} -> {', '.join(targets) or 'nothing'}")
    against = [(a, b) for a, b in found if rooms.index(a) < rooms.index(b)]
    print(f"{len(rooms)} rooms, {len(found)} arrows, {len(against)} of them upward")
    assert len(found) > 5
    assert against == []


def test_the_folders_of_show_import_one_way() -> None:
    folder = ROOT / "tinygrad_lite" / "show"
    assert {path.parent.name for path in folder.glob("*/__init__.py")} == {*SHOW}
    found = set()
    for path in folder.glob("*/*.py"):
        for name in imported(path):
            parts = name.removeprefix("tinygrad_lite.show.").split(".")
            if name.startswith("tinygrad_lite.show.") and parts[0] in SHOW:
                found.add((path.parent.name, parts[0]))
    assert len(found) > 10
    assert [(a, b) for a, b in found if SHOW.index(a) < SHOW.index(b)] == []


def test_arrays_know_nothing() -> None:
    assert not [arrow for arrow in arrows("tinygrad_lite") if arrow[0] == "arrays"]


@pytest.mark.parametrize(
    "folder",
    [
        "tinygrad_lite/arrays",
        "tinygrad_lite/mistakes",
        *(f"tinygrad_lite/show/{folder}" for folder in SHOW),
        *(each for each in FOLDERS if each.startswith(("nn/layers", "nn/optim", "nn/distributed"))),
    ],
)
def test_the_index_of_a_folder_names_every_file(folder: str) -> None:
    index = set(re.findall(r"\w+", (ROOT / folder / "__init__.py").read_text()))
    assert {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} <= index


@pytest.mark.parametrize("folder", FOLDERS)
def test_inside_a_room_there_are_no_circles(folder: str) -> None:
    package = folder.replace("/", ".")
    graph: dict[str, set[str]] = {}
    for path in (ROOT / folder).glob("*.py"):
        names = [name.removeprefix(f"{package}.") for name in imported(path)]
        graph[path.stem] = {name.split(".")[0] for name in names} & {
            other.stem for other in (ROOT / folder).glob("*.py")
        }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{folder}: {' -> '.join(error.args[1])}")
    assert len(graph) > 1


def test_the_engine_reads_in_an_evening() -> None:
    """At most 900 lines of code; `pytest -s -k evening` prints how many there are."""
    sources = {path.name: path.read_text() for path in files("tinygrad_lite/engine")}
    code = {name: lines_of_code(source) for name, source in sources.items()}
    for name, source in sources.items():
        print(f"{name:<15} {code[name]:4} lines of code, {len(source.splitlines()):4} in all")
    whole = sum(len(source.splitlines()) for source in sources.values())
    print(f"engine          {sum(code.values()):4} lines of code, {whole:4} in all")
    assert sum(code.values()) <= ENGINE_LINES


def test_lines_of_code_are_counted_without_words() -> None:
    source = (
        '"""Two\nlines."""\n\n# why\nx = """a\nb"""\n\n\ndef f():\n    """Doc."""\n    return x\n'
    )
    assert lines_of_code(source) == 4


def test_no_import_of_ours_hides_in_a_function() -> None:
    for package in ROOMS:
        for path in files(package):
            for function in nodes(path):
                if isinstance(function, ast.FunctionDef):  # a lambda holds no statement
                    for node in ast.walk(function):
                        assert not (isinstance(node, ast.ImportFrom) and node.level), path
                        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                        assert not {name.split(".")[0] for name in names} & set(ROOMS)


def test_tinygrad_lite_knows_nothing_of_nn() -> None:
    for path in files("tinygrad_lite"):
        assert "nn" not in {name.split(".")[0] for name in imported(path)}, path


def test_nn_uses_only_what_is_public() -> None:
    """So that a layer or an optimiser of a user's own can do what ours do."""
    public = {f"tinygrad_lite.{name}" for name in tinygrad_lite.__all__}
    used, hidden = set(), []
    for path in files("nn"):
        used |= {name for name in imported(path) if name.startswith("tinygrad_lite")}
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
                hidden.append(ast.unparse(node))
    assert "tinygrad_lite.Tensor" in used
    assert {name for name in used - public if not name.startswith("tinygrad_lite.ops.")} == set()
    assert [name for name in hidden if not re.fullmatch(r"self\._\w+|os\._exit", name)] == []


def test_no_module_or_folder_bears_the_name_of_a_public_function() -> None:
    functions = {
        name
        for package in (tinygrad_lite, nn, nn.datasets)
        for name in package.__all__
        if callable(getattr(package, name))
    }
    assert len(functions) > 20
    for package in ROOMS:
        for path in (ROOT / package).rglob("*"):
            if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__"):
                assert path.stem not in functions, path
    # `nn.training.arguments` reads a command line; `tinygrad_lite.arguments` is a module.
    for path in (ROOT / "nn" / "training").rglob("*.py"):
        assert path.stem not in nn.training.__all__, path


def test_every_public_name_is_there_and_documented() -> None:
    data = (nn.data, nn.data.augment, nn.datasets)
    for package in (tinygrad_lite, nn, nn.functional, nn.training, *data):
        assert package.__all__ == sorted(package.__all__)
        for name in package.__all__:
            assert getattr(package, name).__doc__, name


def test_every_public_method_of_tensor_is_documented() -> None:
    for cls in tinygrad_lite.Tensor.__mro__:
        if cls.__module__.startswith("tinygrad_lite"):
            for name, value in vars(cls).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert value.__doc__, name


def test_no_theme_of_methods_inherits_another() -> None:
    themes = tinygrad_lite.methods.TensorMethods.__bases__
    assert len(themes) > 20
    for theme in themes:
        assert not set(theme.__mro__[1:]) & set(themes), theme
        assert theme.__module__.rpartition(".")[2][0] != "_", theme


def test_what_themes_may_use_of_each_other_is_there() -> None:
    """Or the type checker would take a declaration for a method."""
    tree = ast.parse((ROOT / "tinygrad_lite" / "methods" / "_theme.py").read_text())
    (theme,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    declared = [node.name for node in theme.body if isinstance(node, ast.FunctionDef)]
    assert len(declared) > 20
    for name in declared:
        assert getattr(tinygrad_lite.Tensor, name) is not getattr(object, name, None), name
