"""The files, the programs that render them, what a notebook shows, and the same bytes each time."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lite import Tensor
from tinygrad_lite.show import draw

MAGIC = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "dot": b"digraph {"}
NO_RENDERER = (
    "draw: nothing here can render a picture; pip install pygraphviz, "
    "or install Graphviz from graphviz.org"
)


def linear_regression() -> tuple[Tensor, dict[str, Tensor]]:
    x = Tensor(np.ones((8, 3), np.float32))
    w = Tensor(np.ones((3, 1), np.float32), requires_grad=True)
    b = Tensor([0.5], requires_grad=True)
    return ((x @ w + b) ** 2).mean(), {"x": x, "layers.0.weight": w, "b": b}


def chain(length: int) -> Tensor:
    value = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(length):
        value = value * 1.0
    return value


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Graphviz's `dot`."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.fixture
def no_pygraphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


def fake_dot(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A `dot` program that runs `body`, Python code, as the only one on PATH."""
    if sys.platform == "win32":
        pytest.skip("the fake program is a script with a #! line")
    program = folder / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -I\nimport sys\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


# Files and renderers


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".dot", ".gv", ".SVG"])
@pytest.mark.usefixtures("no_program")
def test_each_format_without_the_dot_program(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pygraphviz")
    path = tmp_path / f"picture{suffix}"
    loss, _ = linear_regression()
    draw(loss, path)
    kind = suffix.lower()[1:].replace("gv", "dot")
    assert path.read_bytes().startswith(MAGIC[kind])
    assert [item.name for item in tmp_path.glob("*picture*")] == [path.name]


@pytest.mark.usefixtures("no_pygraphviz")
def test_the_dot_program_renders_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "call"
    fake_dot(
        tmp_path,
        monkeypatch,
        f"""
open({str(record)!r}, "wb").write(" ".join(sys.argv[1:]).encode() + sys.stdin.buffer.read())
sys.stdout.buffer.write(b"the picture")""",
    )
    loss, _ = linear_regression()
    picture = draw(loss, str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").read_bytes() == b"the picture"
    said = record.read_text()
    assert said.startswith("-Kdot -Tpngdigraph {\n\tgraph [dpi=160]\n")
    assert said.endswith(picture.dot.partition("\n")[2])
    assert picture.svg() == "the picture"


@pytest.mark.usefixtures("no_program", "no_pygraphviz")
def test_with_no_renderer_only_dot_text_is_written(tmp_path: Path) -> None:
    loss, _ = linear_regression()
    with pytest.raises(RuntimeError, match=f"^{re.escape(NO_RENDERER)}$"):
        draw(loss, tmp_path / "picture.svg")
    assert not (tmp_path / "picture.svg").exists()
    picture = draw(loss, tmp_path / "picture.dot")
    assert (tmp_path / "picture.dot").read_text() == picture.dot


def test_a_failing_renderer_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dot(tmp_path, monkeypatch, 'sys.exit("Format: png not recognized\\nUse one of: gv")')
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    loss, _ = linear_regression()
    message = "^draw: the dot program failed: Format: png not recognized$"
    with pytest.raises(RuntimeError, match=message):
        draw(loss, path)
    assert path.read_bytes() == b"old"


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "picture.dot"
    path.write_bytes(b"old")
    loss, _ = linear_regression()
    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        draw(loss, path)
    assert [item.read_bytes() for item in tmp_path.iterdir()] == [b"old"]


def test_errors_are_one_line(tmp_path: Path) -> None:
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(
        TypeError, match=r"^draw: tensor: expected a Tensor; got ndarray of shape \(3,\), float64$"
    ):
        draw(np.ones(3))  # type: ignore[arg-type]
    message = (
        "draw: expected a path that ends in .svg, .png, .pdf, .html, or .dot (.gv) for DOT text; "
        "got 'picture.jpg'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(x, "picture.jpg")
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError) as folder:
        draw(x, missing / "picture.dot")
    assert str(folder.value) == f"draw: the folder {str(missing)!r} does not exist"
    with pytest.raises(TypeError) as mapping:
        draw(x, names=[x])  # type: ignore[arg-type]
    assert str(mapping.value) == (
        "draw: names: expected a Module, or a mapping of names to Tensors, such as "
        "nn.state.get_state_dict(model); got [Tensor of shape (1,), float32]"
    )
    with pytest.raises(TypeError, match=r"^draw: values: expected True or False; got 'yes'$"):
        draw(x, values="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^draw: names\['x'\]: expected a Tensor; got 1.0$"):
        draw(x, names={"x": 1.0})  # type: ignore[dict-item]


# Notebooks, determinism, imports


@pytest.mark.usefixtures("no_program")
def test_a_notebook_shows_svg() -> None:
    pytest.importorskip("pygraphviz")
    bundle = draw(chain(300))._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")
    assert bundle["text/plain"].startswith("299 x Mul: (2,), output")


@pytest.mark.usefixtures("no_program", "no_pygraphviz")
def test_a_notebook_without_a_renderer_shows_the_tree() -> None:
    picture = draw(chain(2))
    assert picture._repr_mimebundle_() == {"text/plain": f"{picture!r}\n\n{NO_RENDERER}"}


PROGRAM = """
import sys
import numpy as np
import nn
from tinygrad_lite import Tensor, draw, keep_values
w, b, c = (Tensor(np.ones((3, 3)), requires_grad=True) for _ in range(3))
h = w
for _ in range(60):
    h = (h @ w + b).relu() * c
loss = (h + h.sum(axis=0)).mean()
sys.stdout.write(draw(loss, names={"w": w, "c": c}).dot)
print(draw(loss, names={"w": w, "c": c}, values=True, grads=True, fold="module"))
Tensor.manual_seed(0)
model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 3))
with keep_values():
    loss = model(Tensor(np.ones((2, 3)))).sum()
sys.stdout.write(draw(loss, names=model).dot)
"""


def test_two_processes_draw_the_same_bytes() -> None:
    root = str(Path(__file__).parents[2])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith(b"digraph {")


@pytest.mark.usefixtures("no_program")
def test_the_same_program_gives_the_same_svg() -> None:
    pytest.importorskip("pygraphviz")
    assert draw(linear_regression()[0]).svg() == draw(linear_regression()[0]).svg()


def test_graphviz_is_imported_only_to_draw() -> None:
    code = "import sys, tinygrad_lite; print({'graphviz', 'pygraphviz'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "set()"
