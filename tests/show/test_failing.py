"""draw_on_error: what it draws of a call that failed, what it notes, and what it leaves alone."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, draw_on_error, keep_values

x = Tensor(np.ones((4, 3), np.float32))
w = Tensor(np.ones((3, 5), np.float32), requires_grad=True)
h = (x @ w).relu()


class Cube(Function):
    saves = "inputs"

    def forward(self, x):  # type: ignore[no-untyped-def]
        raise ValueError("no cube today")

    def backward(self, g, y, x):  # type: ignore[no-untyped-def]
        return (g,)


class Net(nn.Module):
    def __init__(self) -> None:
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()).reshape(3, 3)


def scaled(rate: Tensor) -> Tensor:
    table: dict[str, float] = {}
    return rate * table["rate"]


def drawn(tmp_path: Path, call: Callable[[], object], **options: object) -> tuple[list[str], str]:
    """The lines of the box that failed, and the DOT text."""
    path = tmp_path / "failed.dot"
    with (
        pytest.raises((ValueError, LookupError)) as caught,  # whatever it says
        draw_on_error(path, **options),  # type: ignore[arg-type]
    ):
        call()
    (note,) = caught.value.__notes__
    assert note == f"draw_on_error: {path} shows the graph up to the call that failed"
    text = path.read_text()
    (label,) = re.findall(r'label=<(<b>[^<]* failed</b>.*?)> color="#b3261e"', text)
    return [re.sub("<[^>]*>", "", line) for line in label.split("<br/>")], text


@pytest.mark.parametrize(
    ("call", "title", "shapes"),
    [
        (lambda: h @ w, "matmul", ["x (4, 5) float32", "other (3, 5) float32"]),
        (lambda: h + np.ones((3, 3)), "add", ["x (4, 5) float32", "other (3, 3) float64"]),
        (lambda: np.ones((3, 3)) @ h, "np.matmul", ["inputs[0] (3, 3) float64"]),
        (lambda: h.reshape(7, 7), "reshape", ["x (4, 5) float32"]),
        (lambda: h[10], "getitem", ["x (4, 5) float32"]),
        (lambda: x @ x, "matmul", ["x (4, 3) float32", "other (4, 3) float32"]),
        (lambda: Cube.apply(h), "Cube", ["x (4, 5) float32", "ValueError: no cube today"]),
        (lambda: h.cross_entropy(np.zeros(3, int)), "cross_entropy", ["x (4, 5) float32"]),
        (lambda: nn.MSELoss()(h, x), "mse_loss", ["x (4, 5) float32", "target (4, 3) float32"]),
        (lambda: nn.Linear(9, 2)(h), "Linear", ["x (4, 5) float32", "weight (2, 9) float32"]),
        (lambda: Net()(x), "reshape", ["x (4, 2) float32"]),
        (lambda: scaled(h), "scaled", ["rate (4, 5) float32", "KeyError: &#x27;rate&#x27;"]),
    ],
)
def test_the_call_that_failed_is_named_with_what_it_got(
    tmp_path: Path, call: Callable[[], object], title: str, shapes: list[str]
) -> None:
    lines, text = drawn(tmp_path, call)
    assert lines[0] == f"{title} failed"
    assert lines[1 : 1 + len(shapes)] == shapes
    assert lines[-1].startswith("test_failing.py:")
    assert "the call that failed" in text  # the legend


def test_the_line_is_the_innermost_of_the_users_and_the_graph_is_what_led_there(
    tmp_path: Path,
) -> None:
    net = Net()
    lines, text = drawn(tmp_path, lambda: net(x), names=net)
    wanted = next(
        number
        for number, line in enumerate(Path(__file__).read_text().splitlines(), 1)
        if "reshape(3, 3)" in line and "self" in line
    )
    assert lines[-1] == f"test_failing.py:{wanted}"
    assert "<b>first.weight</b>" in text
    assert "<b>second.bias</b>" in text
    assert text.count("<b>Linear</b>") == 2


def test_under_keep_values_and_folded_the_mark_stays(tmp_path: Path) -> None:
    net = Net()
    with keep_values():
        lines, text = drawn(tmp_path, lambda: net(x), names=net, fold="module")
    assert lines[0] == "reshape failed"
    assert "4 parameters" not in text
    assert "first" in text


def test_an_error_without_a_tensor_leaves_nothing_to_draw(tmp_path: Path) -> None:
    path = tmp_path / "failed.dot"
    with pytest.raises(KeyError) as caught, draw_on_error(path):
        {}["key"]
    assert caught.value.args == ("key",)
    assert caught.value.__notes__ == ["draw_on_error: no picture: no call that failed got a Tensor"]
    assert not path.exists()


def test_the_error_goes_on_where_no_picture_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    watch = draw_on_error(folder / "failed.dot")
    folder.rmdir()
    with pytest.raises(ValueError, match=r"^matmul: inner sizes differ") as caught, watch:
        h @ w
    (note,) = caught.value.__notes__
    assert note.startswith("draw_on_error: no picture: FileNotFoundError: ")


def test_what_succeeds_or_is_interrupted_draws_nothing(tmp_path: Path) -> None:
    path = tmp_path / "failed.dot"
    with draw_on_error(path):
        h.sum()
    with pytest.raises(KeyboardInterrupt) as caught, draw_on_error(path):
        raise KeyboardInterrupt
    assert not hasattr(caught.value, "__notes__")
    assert not path.exists()


def test_wrong_arguments_are_told_before_the_code_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^draw_on_error: expected a path that ends in \.svg"):
        draw_on_error("failed.jpg")
    with pytest.raises(ValueError, match=r'^draw_on_error: fold: expected "module" or None; got 3'):
        draw_on_error(tmp_path / "failed.svg", fold=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^draw_on_error: names: expected a Module, or a mapping"):
        draw_on_error(tmp_path / "failed.svg", names=3)
