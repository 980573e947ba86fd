"""What tensors, models and optimisers show in a notebook."""

import sys

import numpy as np
import pytest
import treescope

import nn
from tinygrad_lite import Tensor
from tinygrad_lite.show.notebook import histogram, summary


def model_and_optimizer() -> tuple[nn.Module, nn.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 1))
    optimizer = nn.optim.Adam(model.named_parameters(), lr=0.01)
    model(Tensor.randn(8, 20)).mean().backward()
    optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("what", ["tensor", "model", "optimizer", "scalar", "empty", "bools"])
def test_each_is_html_and_its_repr(what: str) -> None:
    model, optimizer = model_and_optimizer()
    shown = {
        "tensor": Tensor.randn(3, 4),
        "model": model,
        "optimizer": optimizer,
        "scalar": Tensor(3.0),
        "empty": Tensor.zeros(0, 3),
        "bools": Tensor.ones(20) > 0,
    }[what]
    bundle = shown._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == repr(shown)
    assert "<script" in bundle["text/html"]  # Treescope's
    assert len(bundle["text/html"]) < 200_000


def test_the_tree_of_a_model_names_its_parts() -> None:
    model, _ = model_and_optimizer()
    with treescope.active_autovisualizer.set_scoped(treescope.ArrayAutovisualizer()):
        text = treescope.render_to_text(model)
    for part in (
        "Sequential() {",
        "0: Linear(20, 30",
        "weight: <Tensor float32 (30, 20)",
        "ReLU()",
    ):
        assert part in text
    assert "requires_grad" in text
    assert "0x" not in text  # no addresses


def test_the_tree_of_an_optimizer_has_options_parameters_and_state() -> None:
    _, optimizer = model_and_optimizer()
    with treescope.active_autovisualizer.set_scoped(treescope.ArrayAutovisualizer()):
        text = treescope.render_to_text(optimizer)
    for part in ("Adam {", "group 0: {", "'lr': 0.01", "'0.weight': {", "'exp_avg': "):
        assert part in text


def test_names_inject_nothing() -> None:
    class Hostile(nn.Module):
        def __init__(self) -> None:
            setattr(self, "<script>alert(1)</script>", Tensor.ones(20, requires_grad=True))

        def extra_repr(self) -> str:
            return "<img src=x onerror=alert(1)>"

    html = Hostile()._repr_mimebundle_()["text/html"]
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html


def test_a_summary_by_hand() -> None:
    assert summary(Tensor([1.0, -2.5])) == "Tensor float32 (2,) [1, -2.5]"
    x = Tensor(np.array([0.0, 0, 0, 0, 4, 4, 4, 4, np.nan, np.inf]), requires_grad=True)
    x.grad = Tensor(np.zeros(10))
    assert summary(x) == (
        "Tensor float64 (10,) requires_grad "
        "mean 2, std 2, from 0 to 4, 40 % zeros, 10 % nan, 10 % inf; grad: all 0"
    )
    assert summary(Tensor.zeros(0, 3)) == "Tensor float32 (0, 3) no elements"
    assert summary(x.exp(), fast=True) == "Tensor float64 (10,) op=Exp"


def test_a_histogram_by_hand() -> None:
    values = np.repeat([0.0, 1.0, 12.0], [8, 1, 4])  # twelve intervals of width 1
    assert histogram(values) == "\u2588\u2581" + " " * 9 + "\u2584"
    assert histogram(np.ones(20)) == ""
    assert histogram(np.array([-1e308, 1e308] * 9)) == ""  # the range itself is inf


def test_without_treescope_there_is_the_repr_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "treescope", None)
    model, optimizer = model_and_optimizer()
    for shown in (Tensor([1.0]), model, optimizer):
        assert shown._repr_mimebundle_() == {"text/plain": repr(shown)}
