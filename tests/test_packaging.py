"""The two packages as an installer and an importer meet them (wheels: .ci/wheel_check)."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nn
import tinygrad_lite

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["tinygrad_lite", "nn"]

# Prints the third-party packages that an import brings in. Standard library and generated
# modules lie outside site-packages; what start-up hooks loaded before does not count.
FOREIGN = """
import sys, sysconfig
before = set(sys.modules)
import {package}
places = tuple(sysconfig.get_path(key) for key in ("purelib", "platlib"))
print(*sorted({{
    name.partition(".")[0]
    for name, module in list(sys.modules.items())
    if name not in before and (getattr(module, "__file__", None) or "").startswith(places)
}} - {{"numpy", "tinygrad_lite", "nn"}}))
"""


@pytest.mark.parametrize("package", [*PACKAGES, "nn.datasets", "nn.training"])
def test_import_brings_only_numpy_and_the_standard_library(package):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FOREIGN.format(package=package)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_that_probe_sees_a_foreign_import():
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN.format(package="threadpoolctl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["threadpoolctl"]


# What would make an import slow, and is loaded when it is first used: together twice as much as
# all the rest. NumPy's own import may bring some of it, as NumPy 2.0 brings numpy.random.
LOADED_LATER = {
    *("numpy.random", "dataclasses", "html", "pathlib", "queue", "shutil", "string", "subprocess"),
    *("secrets", "urllib", "tempfile", "gzip", "concurrent.futures", "threadpoolctl", "graphviz"),
    *("tinygrad_lite.check", "tinygrad_lite.checkpointing", "tinygrad_lite.show"),
    *("tinygrad_lite.derivatives", "nn.datasets", "nn.training"),
}
LOADED = """
import sys, numpy
before = set(sys.modules)
import {package}
print(*(set(sys.modules) - before))
"""


@pytest.mark.parametrize("package", [*PACKAGES, "tinygrad_lite.show"])
def test_import_loads_nothing_slow_that_most_programs_do_without(package):
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(package=package)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = LOADED_LATER & set(done.stdout.split())
    if package in PACKAGES:
        assert found == set()
    else:  # the test would see it
        assert found > {package, "html"}


def test_names_that_are_loaded_later_are_listed_and_others_are_errors():
    assert set(tinygrad_lite.__all__) <= set(dir(tinygrad_lite))
    with pytest.raises(AttributeError, match="module 'tinygrad_lite' has no attribute 'drow'"):
        tinygrad_lite.drow  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'drow'"):
        exec("from tinygrad_lite import drow")


@pytest.mark.parametrize("package", [tinygrad_lite, nn], ids=PACKAGES)
def test_py_typed_lies_in_both_packages(package):
    assert (Path(package.__file__).parent / "py.typed").is_file()


def test_pyproject_names_both_packages_and_reads_the_version_from_the_code():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hatch = pyproject["tool"]["hatch"]
    assert hatch["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert pyproject["project"]["dynamic"] == ["version"]
    source = (ROOT / hatch["version"]["path"]).read_text(encoding="utf-8")
    (stated,) = re.findall(r'^__version__ = "(.+)"$', source, flags=re.MULTILINE)
    assert stated == tinygrad_lite.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", stated)


def test_changelog_has_an_entry_for_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{tinygrad_lite.__version__}]" in changelog


def test_the_example_runs_without_docstrings():
    """python -OO takes the docstrings away, of which the example's --help shows one."""
    done = subprocess.run(
        [sys.executable, "-OO", ROOT / "examples" / "mnist_mlp.py", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--epochs" in done.stdout
