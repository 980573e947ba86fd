"""The direction of the imports, and that no module bears the name of a public function."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import nn
import tinygrad_lite

ROOT = Path(tinygrad_lite.__file__).parent.parent

# Each room may import from those before it, and from itself.
ENGINE = [
    *("float_errors", "threads", "products", "recording", "memory", "shapes", "sums", "dtypes"),
    *("graph", "hooks", "backpropagation", "ops", "methods", "tensor", "autograd"),
    *("transforms", "checkpointing", "check", "show"),
]
NN = ["reflection", "state", "module", "init", "layers", "optim", "data", "datasets"]


def imports(package: str) -> list[tuple[str, str]]:
    """Pairs of rooms, (importer, imported), inside one package, wherever the import stands."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            targets = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                base = place[: len(place) - node.level] if node.level else ()
                stem = (*base, *(node.module or "").split(".")) if node.module else base
                targets = [".".join((*stem, alias.name)) for alias in node.names]
            for target in targets:
                parts = target.split(".")
                if parts[0] == package and len(parts) > 1 and len(place) > 1:
                    found.append((place[1], parts[1]))
    return found


def test_imports_run_one_way() -> None:
    for package, rooms in (("tinygrad_lite", ENGINE), ("nn", NN)):
        pairs = [(a, b) for a, b in imports(package) if a != "__init__"]
        assert len(pairs) > 10
        for importer, imported in pairs:
            assert rooms.index(imported) <= rooms.index(importer), (importer, imported)


def test_inside_a_room_imports_run_one_way_too() -> None:
    """Say methods/operands.py <- ... <- methods/numpy_functions/: a circle raises CycleError."""
    for room in ("ops", "methods", "methods/numpy_functions", "check", "show"):
        graph = {
            path.stem: {
                name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom) and node.level == 1
                for name in ([node.module] if node.module else [a.name for a in node.names])
            }
            for path in (ROOT / "tinygrad_lite" / room).glob("*.py")
        }
        assert sum(map(len, graph.values())) > 2
        TopologicalSorter(graph).prepare()


def test_no_import_of_ours_hides_in_a_function() -> None:
    for package in ("tinygrad_lite", "nn"):
        for path in (ROOT / package).rglob("*.py"):
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, (ast.FunctionDef, ast.Lambda)):
                    for node in ast.walk(function):
                        assert not (isinstance(node, ast.ImportFrom) and node.level), path
                        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                        assert not {name.split(".")[0] for name in names} & {"tinygrad_lite", "nn"}


def test_the_engine_knows_nothing_of_nn() -> None:
    for path in (ROOT / "tinygrad_lite").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.split(".")[0] == "nn" for alias in node.names), path
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] != "nn", path


def test_no_module_bears_the_name_of_a_public_function() -> None:
    for package in (tinygrad_lite, nn, nn.datasets):
        folder = Path(package.__file__).parent
        modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
        functions = {name for name in package.__all__ if callable(getattr(package, name))}
        assert functions
        assert not modules & functions


def test_every_public_name_is_there_and_documented() -> None:
    for package in (tinygrad_lite, nn, nn.datasets):
        assert package.__all__ == sorted(package.__all__)
        for name in package.__all__:
            assert getattr(package, name).__doc__, name


def test_every_public_method_of_tensor_is_documented() -> None:
    for cls in tinygrad_lite.Tensor.__mro__:
        if cls.__module__.startswith("tinygrad_lite"):
            for name, value in vars(cls).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert value.__doc__, name
