"""What is shown survives other terminals, other folders, other days, and what others print."""

import copy
import io
import os
import sys
import time
import warnings

import numpy as np
import pytest

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, keep_values
from tinygrad_lite.show.outline.terminal import for_terminal
from tinygrad_lite.show.page.rules import line_shown


def kept_loss():
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with keep_values():
        return (w @ w).tanh().sum()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_all_that_is_printed_can_be_printed_everywhere(monkeypatch, encoding):
    loss = kept_loss()
    model = nn.Linear(2, 1)
    model.__dict__["gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\u6743\u91cd\ud800"] = Tensor(
        [1.0, 2.0], requires_grad=True
    )
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", file)
    shown = (
        *(tl.explain(loss), tl.draw(loss), tl.trace_nan(loss), tl.cost(loss)),
        *(tl.cost(loss).alive(), tl.draw((loss * 2.0), names=model)),
    )
    for each in shown:
        print(each, repr(each))
    file.flush()


def test_what_an_encoding_lacks_has_a_form_in_ascii(monkeypatch):
    text = "w₁₂ → hᵀ · σ ≤ ∂x² 权"
    assert for_terminal(text) == text
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert for_terminal(text) == r"w_12 -> h^T * sigma <= dx^2 \u6743"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert for_terminal(text) == "w_12 -> h^T · sigma <= dx² \\u6743"
    monkeypatch.setattr(sys, "stdout", None)  # of pythonw
    assert for_terminal(text) == text


def test_latex_has_no_letters_that_pdflatex_does_not_know():
    assert tl.explain(kept_loss()).latex().isascii()


def test_a_page_names_files_without_their_folders(monkeypatch, tmp_path):
    here = line_shown(f"{__file__}:1")
    monkeypatch.chdir(os.path.dirname(__file__))
    assert line_shown(f"{__file__}:1") == here
    assert here[0] == "test_robust.py:1"
    assert line_shown("C:\\Users\\ann\\train.py:7")[0] == "train.py:7"
    path = tmp_path / "graph.html"
    tl.draw(kept_loss(), path)
    assert os.path.dirname(__file__) not in path.read_text()


def test_a_pdf_does_not_depend_on_the_time(tmp_path):
    pytest.importorskip("pygraphviz")
    path = tmp_path / "graph.pdf"
    tl.draw(kept_loss(), path)
    content = path.read_bytes()
    assert b"CreationDate (D:20000101000000" in content


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_tensor_without_a_finite_value_shows_itself_in_silence(value):
    pytest.importorskip("treescope")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = Tensor(np.full((4, 4), value))._repr_mimebundle_()
    assert "text/html" in shown


def test_a_module_whose_attributes_raise_shows_itself_in_silence():
    class Strange(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def __getattr__(self, name):
            raise ValueError(name)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Strange()._repr_mimebundle_()["text/plain"]


def test_a_ledgers_question_names_its_method():
    with pytest.raises(ValueError, match=r'^Ledger\.by: what: expected "op", "module" or "line"'):
        tl.cost(kept_loss()).by("kind")


def test_the_paths_of_calls_can_be_copied():
    model = nn.Sequential(nn.Linear(2, 2))
    with keep_values():
        h = model(Tensor.ones(1, 2))
    path = h._node._kept.call.path
    assert copy.deepcopy(path) == copy.copy(path) == path


HOSTILE = "a\x1b[31m\r\n\u202e\x00\ud800b"


def test_a_hostile_name_is_on_one_visible_line_of_the_repr_of_a_model():
    model = type("A\x1b[31m\n", (nn.Module,), {})()
    model.__dict__[HOSTILE] = Tensor([1.0], requires_grad=True)
    model.__dict__["layer\x1b"] = nn.Linear(1, 1)
    lines = repr(model).splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    bundle = model._repr_mimebundle_()
    assert "\x1b" not in "".join(bundle.values())
    "".join(bundle.values()).encode("utf-8")


def test_a_file_whose_name_nothing_can_read_is_only_a_name(tmp_path):
    program = "def double(x):\n    return x * 2\n"
    names: dict = {}
    exec(compile(program, f"{HOSTILE}.py".replace("\x00", ""), "exec"), names)
    with keep_values():
        loss = names["double"](Tensor([1.0, 2.0], requires_grad=True)).sum()
    assert "\\ud800" in repr(tl.draw(loss))
    tl.explain(loss).text().encode("utf-8")
    tl.draw(loss, tmp_path / "graph.html")
    tl.cost(loss).save(tmp_path / "costs.csv")
    assert "\\ud800" in (tmp_path / "costs.csv").read_text(encoding="utf-8")


def test_what_treescope_cannot_show_has_its_repr(monkeypatch):
    treescope = pytest.importorskip("treescope")

    def refuse(*_, **__):
        raise ValueError("no tree")

    monkeypatch.setattr(treescope, "render_to_html", refuse)
    assert list(nn.Linear(1, 1)._repr_mimebundle_()) == ["text/plain"]


def test_the_page_of_an_op_with_thousands_of_inputs_takes_seconds(tmp_path):
    weights = [Tensor([float(i)], requires_grad=True) for i in range(2000)]
    began = time.process_time()
    tl.draw(Tensor.stack(weights).sum(), tmp_path / "graph.html")
    assert time.process_time() - began < 10
