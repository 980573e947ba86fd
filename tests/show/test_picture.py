"""The pictures: what stands in them, how they are written, and what large graphs become."""

import re
import time
import xml.etree.ElementTree as ElementTree
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, checkpoint, keep_values, record_source_lines
from tinygrad_lite.show import Picture, draw
from tinygrad_lite.show.outline import folding


def boxes_of(picture: Picture) -> dict[str, list[str]]:
    """The lines of text in each box, by the box's name in the DOT text."""
    found = re.findall(r"^\t(v\d+) \[label=<(.*?)> (?=[a-z]+=)", picture.dot, re.MULTILINE)
    return {
        box: [unescape(re.sub(r"<[^>]*>", "", line)) for line in label.split("<br/>")]
        for box, label in found
    }


def edges_of(picture: Picture) -> list[tuple[str, str]]:
    """The arrows, as the first lines of the two boxes."""
    boxes = boxes_of(picture)
    pairs = re.findall(r"^\t(v\d+) -> (v\d+)", picture.dot, re.MULTILINE)
    return [(boxes[start][0], boxes[end][0]) for start, end in pairs]


def linear_regression() -> tuple[Tensor, dict[str, Tensor]]:
    x = Tensor(np.ones((8, 3), np.float32))
    w = Tensor(np.ones((3, 1), np.float32), requires_grad=True)
    b = Tensor([0.5], requires_grad=True)
    return ((x @ w + b) ** 2).mean(), {"x": x, "layers.0.weight": w, "b": b}


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Graphviz's `dot`."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


# What a picture shows


def test_the_boxes_and_arrows_of_a_linear_regression() -> None:
    loss, names = linear_regression()
    picture = draw(loss, names=names)
    assert list(boxes_of(picture).values()) == [
        ["x", "(8, 3)"],
        ["layers.0.weight", "(3, 1)"],
        ["Matmul", "layers.0", "(8, 1)"],
        ["b", "(1,)", "[0.5]"],
        ["Add", "(8, 1)"],
        ["2"],
        ["Pow", "(8, 1)"],
        ["Mean", "axes (0, 1)", "()", "output = 12.25"],
    ]
    assert edges_of(picture) == [
        ("x", "Matmul"),
        ("layers.0.weight", "Matmul"),
        ("Matmul", "Add"),
        ("b", "Add"),
        ("Add", "Pow"),
        ("2", "Pow"),
        ("Pow", "Mean"),
    ]
    assert picture.caption == ""


def test_the_dot_text_of_a_square() -> None:
    x = Tensor(3.0, requires_grad=True)
    lines = draw(x * x, names={"x": x}).dot.splitlines()
    font = '<font point-size="9" color="#5b6770">'
    assert lines[0] == "digraph {"
    assert lines[-5:] == [
        f'\tv1 [label=<<b>x</b><br/>{font}3</font>> color="#b07a1e" fillcolor="#fdebc8" '
        'margin="0.02,0.02" penwidth=1.6 shape=ellipse style=filled]',
        f"\tv2 [label=<<b>Mul</b><br/>{font}()</font><br/>{font}output = 9</font>> "
        'color="#3f7d3c" fillcolor="#d5ebd3" peripheries=2 shape=box style="rounded,filled"]',
        "\tv1 -> v2",
        "\tv1 -> v2",
        "}",
    ]


def test_a_shared_tensor_is_one_box() -> None:
    a = Tensor(2.0, requires_grad=True)
    b = a * 3.0
    picture = draw(b + b.relu(), names={"b": b})
    assert edges_of(picture) == [
        ("parameter 1", "b = Mul"),
        ("3", "b = Mul"),
        ("b = Mul", "Relu"),
        ("b = Mul", "Add"),
        ("Relu", "Add"),
    ]


def test_parameters_without_a_name_are_numbered_in_the_order_of_first_use() -> None:
    first, second = (Tensor([1.0] * 5, requires_grad=True) for _ in range(2))
    picture = draw(second * first + second)
    assert edges_of(picture)[:3] == [
        ("parameter 1", "Mul"),
        ("parameter 2", "Mul"),
        ("Mul", "Add"),
    ]


def test_a_tensor_with_two_names_shows_both() -> None:
    w = Tensor([1.0], requires_grad=True)
    picture = draw(w.exp(), names={"encoder.w": w, "decoder.w": w})
    assert boxes_of(picture)["v1"][0] == "encoder.w = decoder.w"


def test_a_parameter_is_named_by_a_tensor_that_shares_its_memory() -> None:
    """As in `model.state_dict()`."""
    loss, names = linear_regression()
    picture = draw(loss, names={name: tensor.detach() for name, tensor in names.items()})
    assert picture.dot == draw(loss, names=names).dot


def test_a_parameter_whose_tensor_is_gone_is_still_drawn() -> None:
    picture = draw(Tensor([1.0], requires_grad=True).exp())
    assert boxes_of(picture)["v1"] == ["parameter 1", "(1,)"]


def test_an_array_used_twice_is_one_input_and_each_number_a_box_of_its_own() -> None:
    data = np.ones((2, 2), np.float32)
    w = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    picture = draw((w * data) * data * 2.0 * 2.0)
    assert [lines[0] for lines in boxes_of(picture).values()].count("input") == 1
    assert [lines[0] for lines in boxes_of(picture).values()].count("2") == 2


def test_a_constant_that_the_op_did_not_keep_is_a_plain_box() -> None:
    w = Tensor([1.0], requires_grad=True)
    assert ["constant"] in boxes_of(draw(w + 1.0)).values()


def test_options_say_what_the_shapes_do_not() -> None:
    x = Tensor(np.ones((2, 3, 4), np.float32), requires_grad=True)
    y = x.sum(axis=1, keepdim=True).reshape(2, 4)[0, 1:].cast(np.float64)
    texts = list(boxes_of(draw(y)).values())
    assert texts[1:] == [
        ["Sum", "axis 1", "keepdim", "(2, 1, 4)"],
        ["Reshape", "(2, 4)"],
        ["Getitem", "[0, 1:]", "(3,)"],
        ["Cast", "dtype float64", "(3,)", "output"],
    ]


def test_a_function_that_backward_freed_is_not_shown_as_none() -> None:
    y = checkpoint(lambda h: h * h, Tensor([1.0, 2.0], requires_grad=True)).sum()
    y.backward()
    assert "None" not in str(draw(y))


def test_options_of_every_kind_are_short_and_hold_no_address() -> None:
    class Thing(Function):
        def __init__(self, *rest, plain, mask, long, table, thing, index, step=3, scale=1.0):  # type: ignore[no-untyped-def]
            self.plain, self.mask, self.long, self.table = plain, mask, long, table
            self.thing, self.index, self.step, self.scale = thing, index, step, scale

        def forward(self, x):  # type: ignore[no-untyped-def]
            return x

    y = Thing.apply(
        Tensor([1.0], requires_grad=True),
        plain=np.float32,
        mask=np.ones((2, 2), bool),
        long="a" * 100,
        table=[1, (2.5, None)],
        thing=object(),
        index=(..., None, slice(None, None, -1), np.array([1])),
        step=4,
    )
    assert boxes_of(draw(y))["v2"] == [
        "Thing",
        "plain float32",
        "mask (2, 2)",
        "long " + "a" * 34 + "\N{HORIZONTAL ELLIPSIS}",
        "table [1, (2.5, None)]",
        "thing object",
        "[..., None, ::-1, [1]]",
        "step 4",
        "(1,)",
        "output",
    ]


def test_windows_are_worded_as_a_call_words_them() -> None:
    x = Tensor(np.ones((1, 1, 8, 8), np.float32))
    w = Tensor(np.ones((1, 1, 3, 3), np.float32), requires_grad=True)
    plain, strided = x.conv2d(w), x.conv2d(w, stride=2, padding=1, dilation=2)
    texts = list(boxes_of(draw((plain.max_pool2d(2)).sum() + strided.sum())).values())
    assert ["Conv", "kernel (3, 3)", "(1, 1, 6, 6)"] in texts
    assert ["MaxPool", "kernel (2, 2)", "stride (2, 2)", "(1, 1, 3, 3)"] in texts
    strided_text = ["stride (2, 2)", "dilation (2, 2)", "padding before (1, 1)", "(1, 1, 3, 3)"]
    assert ["Conv", "kernel (3, 3)", *strided_text] in texts


def test_a_checkpoint_names_its_function() -> None:
    def block(x: Tensor) -> Tensor:
        return x.exp()

    x = Tensor([1.0], requires_grad=True)
    assert boxes_of(draw(checkpoint(block, x)))["v2"] == [
        "Checkpoint",
        "fn block",
        "(1,)",
        "output",
    ]


class Halves(Function):
    """An op with two results, and an input that may be missing."""

    saves = "inputs"

    def forward(self, x, scale):  # type: ignore[no-untyped-def]
        return x[:2], x[2:]


def test_an_op_with_several_results_is_one_box() -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0, 5.0], requires_grad=True)
    left, right = Halves.apply(x, None)
    picture = draw(left.sum() * right.sum(), names={"x": x})
    assert boxes_of(picture)["v2"] == ["Halves"]
    assert edges_of(picture)[:3] == [("x", "Halves"), ("Halves", "Sum"), ("Halves", "Sum")]
    assert "label=< result 2 of 2 (3,)>" in picture.dot
    assert boxes_of(draw(right))["v2"] == ["Halves", "(3,)", "output: result 2 of 2"]


def test_a_source_line_is_shown_where_it_was_recorded() -> None:
    x = Tensor([1.0], requires_grad=True)
    with record_source_lines():
        y = x.exp()
    assert re.fullmatch(r"test_picture\.py:\d+", boxes_of(draw(y))["v2"][2])


def test_a_leaf_and_a_tensor_without_a_graph_are_one_box() -> None:
    leaf, plain = Tensor([2.0], requires_grad=True), Tensor([1.0, 2.0])
    assert boxes_of(draw(leaf)) == {"v1": ["parameter 1", "(1,)", "[2]"]}
    assert boxes_of(draw(plain, names={"x": plain})) == {
        "v1": [
            "x",
            "(2,)",
            "no graph: nothing it was computed from has requires_grad=True,",
            "or it was computed inside no_grad()",
        ]
    }


def test_after_backward_the_picture_says_that_the_values_are_gone() -> None:
    loss, names = linear_regression()
    loss.backward()
    picture = draw(loss, names=names)
    assert boxes_of(picture)["v1"] == ["constant"]
    assert picture.caption == (
        "Drawn after backward, which released the values; to keep them, "
        "call inside `with keep_values():`."
    )
    assert "Drawn after backward, which released the values" in picture.dot


def test_a_graph_of_gradients_is_drawn() -> None:
    x = Tensor([2.0], requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    assert x.grad is not None
    assert len(boxes_of(draw(x.grad))) > 5


@pytest.mark.parametrize(
    "name",
    ['say "x"', r"back\slash\N\G", "<b>&amp;</b>", "a\nb\0c\ud800", "", "\\", "über 权重"],
)
@pytest.mark.usefixtures("no_program")
def test_a_name_may_hold_anything(name: str) -> None:
    pytest.importorskip("pygraphviz")
    w = Tensor([1.0], requires_grad=True)
    picture = draw(w.exp(), names={name: w})
    texts = [text.text for text in ElementTree.fromstring(picture.svg()).iter() if text.text]
    visible = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name) or "parameter 1"
    assert visible in [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts]


def test_the_legend_names_the_kinds_of_boxes_that_are_there() -> None:
    loss, names = linear_regression()
    assert all(
        text in draw(loss, names=names).dot
        for text in ("parameter, trained", "input or constant", "operation", "the result")
    )
    assert "equal parts" not in draw(loss).dot
    assert "equal parts" in draw(chain(300)).dot


def test_modules_that_were_seen_have_frames() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    )
    x = Tensor(np.ones((1, 2), np.float32))
    assert "cluster" not in draw(model(x).sum(), names=model).dot
    with keep_values():
        loss = model(x).sum()
    for fold in (None, "module"):
        dot = draw(loss, names=model, fold=fold).dot
        assert dot.count("subgraph cluster_") == 2
        assert "layer 0 (Sequential)" in dot
        assert "layer 1 (Sequential)" in dot


# Large graphs


def chain(length: int) -> Tensor:
    value = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(length):
        value = value * 1.0
    return value


def test_a_chain_of_20_000_ops_is_one_box() -> None:
    value = chain(20_000)
    start = time.perf_counter()
    picture = draw(value)
    assert time.perf_counter() - start < 5
    assert [lines[0] for lines in boxes_of(picture).values()] == [
        "parameter 1",
        "1",
        "Mul",
        "19,999 x Mul",
    ]
    assert picture.caption == (
        "A graph of 20,000 ops. It has more than 300 boxes, so it is folded. "
        "Equal parts that follow each other share one box."
    )


def test_a_graph_at_the_limit_is_shown_whole() -> None:
    shown = chain((folding.LIMIT - 1) // 2)
    assert draw(shown).caption == ""
    assert draw(shown * 1.0).caption != ""


def varied(value: Tensor, length: int) -> Tensor:
    """A chain in which nothing repeats."""
    ops = (Tensor.relu, Tensor.tanh, Tensor.sqrt, Tensor.square)
    for step in range(length):
        value = ops[(step * step * step // 7 + step // 5) % 4](value)
        value = value[:, : value.shape[1] - 1]
    return value


def test_a_chain_that_does_not_repeat_is_one_box_too() -> None:
    w = Tensor(np.ones((1, 1000), np.float32), requires_grad=True)
    picture = draw(varied(w.exp(), 200).sum())
    assert [lines[0] for lines in boxes_of(picture).values()] == [
        "parameter 1",
        "Exp",
        "\N{HORIZONTAL ELLIPSIS} 400 ops",
        "Sum",
    ]
    assert "Folded into one box: 1 chain of 400 ops." in picture.caption


def test_named_tensors_stay_visible_in_a_folded_graph() -> None:
    hidden = chain(200)
    mask = Tensor([1.0, 0.0])
    value = (hidden.relu() * mask).exp().sum()
    picture = draw(value, names={"hidden": hidden, "mask": mask})
    assert [lines[0] for lines in boxes_of(picture).values()] == [
        "parameter 1",
        "1",
        "Mul",
        "198 x Mul",
        "1",
        "hidden = Mul",
        "Relu",
        "mask",
        "Mul",
        "Exp",
        "Sum",
    ]


def test_a_repeat_ends_where_its_result_is_used_twice() -> None:
    shared = chain(200)
    picture = draw(shared.relu().tanh() - shared.exp())
    assert edges_of(picture) == [
        ("parameter 1", "Mul"),
        ("1", "Mul"),
        ("Mul", "199 x Mul"),
        ("199 x Mul", "Relu"),
        ("Relu", "Tanh"),
        ("199 x Mul", "Exp"),
        ("Tanh", "Sub"),
        ("Exp", "Sub"),
    ]


def test_a_sum_of_ten_thousand_parameters_is_one_box() -> None:
    total = Tensor([0.0], requires_grad=True)
    for parameter in [Tensor([1.0], requires_grad=True) for _ in range(10_000)]:
        total = total + parameter
    boxes = list(boxes_of(draw(total)).values())
    assert boxes[-2:] == [
        ["Add", "(1,)"],
        ["9,999 x Add", "9,999 parameters", "1 in each", "(1,)", "output"],
    ]


def test_one_op_with_many_inputs_is_cut() -> None:
    class Total(Function):
        def forward(self, *arrays):  # type: ignore[no-untyped-def]
            return sum(arrays)

    picture = draw(Total.apply(*[Tensor(1.0, requires_grad=True) for _ in range(1000)]))
    assert boxes_of(picture)["v1"] == ["\N{HORIZONTAL ELLIPSIS} and", "701 more parameters"]
    assert picture.caption == (
        "A graph of 1 op. It has more than 300 boxes, so it is folded. Not drawn: 701 parameters."
    )


@pytest.mark.usefixtures("no_program")
def test_a_recurrent_network_repeats_its_weights_and_renders_quickly() -> None:
    pytest.importorskip("pygraphviz")
    w, b, h = (Tensor(np.eye(3, dtype=np.float32), requires_grad=True) for _ in range(3))
    for _ in range(24):
        h = (h @ w + b).tanh()
    start = time.perf_counter()
    picture = draw(h, names={"w": w})
    assert picture.svg()
    assert time.perf_counter() - start < 10
    assert "Parameters and constants have a box for each use." in picture.caption
    assert [lines[0] for lines in boxes_of(picture).values()].count("w") > 20


def test_a_dense_graph_is_cut_until_its_arrows_can_be_followed() -> None:
    values = [Tensor([1.0], requires_grad=True)]
    for _ in range(30):
        total = values[0]
        for value in values[1:]:
            total = total + value
        values.append(total.tanh())
    picture = draw(values[-1])
    assert folding.SMALLEST < len(boxes_of(picture)) < folding.LIMIT
    assert "Not drawn: " in picture.caption
