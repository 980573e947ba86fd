"""A ledger as colours in a picture: which box is how hot, and what the caption says."""

import re

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, cost, keep_values, profile
from tinygrad_lite.show.picture.dot import heat_colour


def mlp():
    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, np.ones((5, 4), np.float32), np.zeros(5, np.int64)


def heats(picture) -> dict[str, tuple[float, str]]:
    return {box.title: box.heat for box in picture.outline.boxes if box.heat is not None}


def test_the_hottest_box_is_the_largest_cost_and_others_in_proportion() -> None:
    w = Tensor(np.ones((4, 4)), requires_grad=True)
    loss = (w @ w).exp().sum()  # 128 + 256, 16 + 16, 15 operations
    picture = cost(loss).draw(by="flops")
    assert heats(picture) == {
        "Matmul": (1.0, "384 FLOP, 89%"),
        "Exp": (32 / 384, "32 FLOP, 7%"),
        "Sum": (15 / 384, "15 FLOP, 3%"),
    }
    assert picture.caption.startswith(
        "Colours show floating-point operations, forward and backward: 431 FLOP altogether."
    )
    colours = re.findall(r'fillcolor="(#\w+)"', picture.dot)
    assert heat_colour(1.0) in colours
    assert heat_colour(32 / 384) in colours
    picture = cost(loss).draw(by="bytes")
    assert heats(picture)["Exp"] == (1.0, "128 B, 100%")
    assert heats(picture)["Matmul"] == (0.0, "0")  # w exists anyway


def test_times_of_a_measured_block_and_of_the_graph_that_it_made() -> None:
    model, x, y = mlp()
    with profile() as ledger:
        loss = model(x).cross_entropy(y)
        loss.backward()
    for one in (ledger, cost(loss)):
        picture = one.draw(names=model)
        found = heats(picture)
        assert found.keys() == {"Linear", "Relu", "CrossEntropy", "Mean"}
        assert max(box.heat[0] for box in picture.outline.boxes if box.heat) == 1.0
        told = found["CrossEntropy"][1]
        assert re.fullmatch(r"[\d.]+ (us|ms), (<1|\d+)%", told), told


def test_the_newest_tensor_may_be_one_of_several_results() -> None:
    model, x, y = mlp()
    with profile() as ledger:
        losses = model(x).cross_entropy(y, reduction="none")
    assert heats(ledger.draw(by="flops")).keys() == {"Linear", "Relu", "CrossEntropy"}
    assert losses.shape == (5,)


def test_a_module_has_the_cost_of_all_its_ops(tmp_path) -> None:
    model, x, y = mlp()
    with keep_values():
        loss = model(x).cross_entropy(y)
    picture = cost(loss).draw(
        tmp_path / "costs.dot", by="flops", names=nn.Sequential(model), fold="module"
    )
    assert any("FLOP" in text for _, text in heats(picture).values())
    assert "Colours show" in (tmp_path / "costs.dot").read_text()
    cost(loss).draw(tmp_path / "costs.html", by="bytes", names=model)
    page = (tmp_path / "costs.html").read_text()
    assert '"heat":[1.0,"160 B, 47%"]' in page  # the result of relu, of 80 + 160 + 60 + 40
    assert "Colours show bytes kept for the backward pass: 340 B altogether." in page


def test_what_cannot_be_drawn_is_told(tmp_path) -> None:
    model, x, y = mlp()
    loss = model(x).cross_entropy(y)
    with pytest.raises(ValueError, match=r'nothing was measured.* use by="flops"'):
        cost(loss).draw(by="time")
    with pytest.raises(ValueError, match=r"Ledger.draw: by: expected"):
        cost(loss).draw(by="size")
    with pytest.raises(ValueError, match=r"Ledger.draw: expected a path that ends in .svg"):
        cost(loss).draw(tmp_path / "costs.txt")
    with profile() as ledger:
        model(x).cross_entropy(y).backward()
    with pytest.raises(ValueError, match="no tensor that was computed in the block is alive"):
        ledger.draw()
