"""What README.md says in numbers and lists is so."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SLOWEST, FASTEST = 14, 30  # lines a minute


def section(title: str) -> str:
    """The part of README under one heading."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(title: str) -> list[list[str]]:
    """The cells of the table in that part, without its two head lines."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    """tests/test_structure.py, which counts lines of code."""
    path = ROOT / "tests" / "test_structure.py"
    spec = importlib.util.spec_from_file_location("structure", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_engine_has_as_many_lines_of_code_as_it_says(structure) -> None:
    files = (ROOT / "tinygrad_lite" / "engine").glob("*.py")
    lines = sum(structure.lines_of_code(path.read_text()) for path in files)
    (said,) = re.findall(r"The engine is (\d+) lines of code and reads in an evening", README)
    assert int(said) == lines, f"README.md: write 'The engine is {lines} lines of code'"


def test_the_minutes_of_the_reading_path_are_those_of_its_lines() -> None:
    *rows, (_, total, _) = table("An evening's reading")
    assert len(rows) == 11
    for link, said, _ in rows:
        path = re.findall(r"\]\((.+)\)", link)[0]
        lines = len((ROOT / path).read_text().splitlines())
        assert lines / FASTEST <= int(said) <= lines / SLOWEST + 2, f"README.md: {path}: {said}"
    together = sum(int(row[1]) for row in rows)
    assert int(total) == together, f"README.md: together it is {together} minutes"


def test_the_table_of_extras_is_that_of_pyproject() -> None:
    found = {}
    for command, packages, _ in table("Installing"):
        extra = re.fullmatch(r"`pip install -e (?:'\.\[(\w+)\]'|\.)`", command)
        found[extra[1]] = {name.strip("` ") for name in packages.split(",")}
    stated = {None: EXTRAS["dependencies"], **EXTRAS["optional-dependencies"]}
    for extra, requirements in stated.items():
        names = {name for text in requirements for name in named(text)}
        assert found.pop(extra) == names, f"README.md: {extra} brings {', '.join(sorted(names))}"
    assert not found


def named(requirement: str) -> list[str]:
    """The package of a requirement, or the extras of ours that it names."""
    own = re.fullmatch(r"tinygrad-lite\[(.+)\]", requirement)
    return own[1].split(",") if own else re.findall(r"^[\w-]+", requirement)


def test_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = README + (ROOT / "CONTRIBUTING.md").read_text()
    commands = set(re.findall(r"(?:^|`)make ([a-z-]+)", pages, re.MULTILINE))
    assert {"mnist", "test", "docs"} <= commands <= targets


def test_make_docs_has_a_page_for_every_module() -> None:
    shown = subprocess.run(
        ["make", "-n", "docs", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("tinygrad_lite", "nn")
        for path in (ROOT / package).rglob("*.py")
    }
    assert {"tinygrad_lite.engine.graph", "tinygrad_lite.derivatives", "nn.layers"} <= modules
    assert modules <= set(shown)
    assert "'!.*[.]_'" in shown  # but those whose name begins with an underscore
