"""The formulas of operations: text, MathML, other variables."""

import sys
import xml.etree.ElementTree as ET
from typing import ClassVar

import numpy as np
import pytest

from tinygrad_lite import Function, Tensor, explain, grad, ops
from tinygrad_lite.engine.reads import input_names
from tinygrad_lite.ops import primitives
from tinygrad_lite.show.formulas.formulas import latex_of, mathml, substituted, text, variable

STATED = primitives()


@pytest.mark.parametrize("op", STATED, ids=lambda op: op.__name__)
def test_each_result_and_each_input_has_a_formula_that_reads_as_text_and_mathml(op):
    fixed, rest = input_names(op)
    inputs = (*fixed, rest) if rest else fixed
    assert "latex" in vars(op)
    assert list(op.latex) == [*(op.results or ["y"]), *inputs]
    for formula in op.latex.values():
        line = text(formula)
        assert not set(line) & set("\\{}&\n")
        assert line == line.strip()
        assert "  " not in line
        assert ET.fromstring(mathml(formula)).tag == "{http://www.w3.org/1998/Math/MathML}math"
        assert "merror" not in mathml(formula)


def test_text_reads_like_python():
    assert text(ops.Tanh.latex["x"]) == "dL/dy * (1 - y²)"
    assert text(ops.Sqrt.latex["x"]) == "dL/dy / (2 y)"
    assert text(ops.Relu.latex["x"]) == "dL/dy if x > 0; 0 otherwise"
    assert text(ops.Matmul.latex["a"]) == "dL/dy @ bᵀ"
    assert text(ops.Softmax.latex["x"]) == "y * (dL/dy - sum(dL/dy * y over axes))"


def test_an_index_of_a_name_with_an_index_stands_apart():
    assert text(substituted("x_{i}", {"x": "h_1"})) == "h₁[i]"
    assert text(substituted(r"\bar{x}_{i, k}", {"x": "h_1"})) == "dL/dh₁[i, k]"


def test_explain_says_of_each_result_what_that_result_is():
    x = Tensor(np.array([[2.0, 1.0], [0.0, 3.0]]), requires_grad=True)
    assert "log(|det(w₁)|)" in str(explain(x.slogdet()[1]))
    assert "sign(det" not in str(explain(x.slogdet()[1]))
    assert "the singular values of w₁" in str(explain(x.svd()[1].sum()))


@pytest.mark.parametrize(
    ("latex", "line"),
    [
        (r"\frac{\partial L}{\partial x}", "∂L / ∂x"),
        (r"\mathbf{W}^T \mathbf{x} + b", "Wᵀ x + b"),
        (r"\sum_{i=1}^{n} x_i^2 + b", "sum(xᵢ² over i = 1 to n) + b"),
        (r"\|x\|_2 + |y|", "‖x‖₂ + |y|"),
        (r"\exp\left(-\frac{x^2}{2}\right)", "exp(-x² / 2)"),
        (r"-\frac{-a}{b} c", "-((-a) / b) c"),
        (r"\sigma(x)(1-\sigma(x))", "σ(x) (1 - σ(x))"),
        (r"\sqrt[3]{x}", "(x)^(1 / 3)"),
        (r"\bar{y} \, 3 x^2", "dL/dy 3 x²"),
        (r"\unknown{x}", "unknown x"),
    ],
)
def test_formulas_of_others_are_readable_too(latex, line):
    assert text(latex) == line


def test_explain_names_a_share_that_a_formula_leaves_out():
    x = Tensor([0.5, -1.0], requires_grad=True)
    assert "through" not in str(explain(x.gelu().sum()))
    (slope,) = grad(x.gelu().sum(), [x], create_graph=True)
    assert "dL/dw₁ + what comes through h₁" in str(explain((slope * slope).sum()))
    (slope,) = grad(x.layernorm().exp().sum(), [x], create_graph=True)
    assert ") + what comes through h" in str(explain((slope * slope).sum()))


def test_a_node_has_the_formulas_of_its_options():
    x, w = Tensor.ones(2, 3, requires_grad=True), Tensor.ones(4, 3, requires_grad=True)
    node = x.linear(w, transposed=True)._node
    assert text(latex_of(node)["y"]) == "x @ wᵀ + b"
    assert text(latex_of(node)["w"]) == "(dL/dy)ᵀ @ x"
    assert "otherwise" in text(latex_of(ops.Linear)["y"])


def test_numbers_that_are_put_in_are_computed():
    formula = ops.Pow.latex["a"]
    assert text(substituted(formula, {"b": "3"})) == "dL/dy * 3 * a²"
    assert text(substituted(formula, {"b": "2"})) == "dL/dy * 2 * a"
    assert text(substituted(formula, {"b": "0"})) == "0"
    assert text(substituted(formula, {"b": "0.5"})) == "dL/dy * 0.5 * a^(-0.5)"
    assert substituted(r"\sum_{i = 0}^{1} x", {"x": "y"}) == r"\sum_{i = 0}^{1} y"
    assert "if n = 0" in text(substituted(formula, {"b": "n"}))


def test_only_the_rows_of_an_option_are_decided():
    x = Tensor([1.0, -2.0], requires_grad=True)
    assert text(latex_of(x.clip(-1, 1)._node)["x"]) == "dL/dy if low ≤ x ≤ high; 0 otherwise"
    assert "otherwise) if edges; (" in text(latex_of(ops.Clip)["x"])
    line = text(latex_of((x > 0).where(x, 0.0)._node)["a"])
    assert line == "dL/dy if condition; 0 otherwise"


def test_variables_are_substituted_and_nothing_else():
    formula = r"\bar{y} \odot \exp(x) x_{x} \mathrm{low} \text{ if x } \mathrm{axes}"
    names = {"x": variable("h1"), "y": variable("loss"), "low": "q"}
    assert substituted(formula, names) == (
        r"\bar{\mathrm{loss}} \odot \exp(h_{1}) (h_{1})_{x} q \text{ if x } \mathrm{axes}"
    )


def test_hostile_names_and_formulas_inject_nothing():
    for hostile in (r"\text{<b>&\"'}", r"\href{javascript:alert(1)}{x}", r"\frac{a", "}", r"\foo"):
        root = ET.fromstring(mathml(hostile))
        assert all("href" not in element.attrib for element in root.iter())
        assert not [element for element in root.iter() if element.tag.endswith("}b")]
        text(hostile)
    name = variable("</math><script>\\}_&%")
    assert "<script" not in mathml(name)
    assert text(name).startswith("</math><script>")


class Square(Function):
    saves = "inputs"
    latex: ClassVar = {"y": "x^{2}", "x": r"2 \bar{y} \odot x"}

    def forward(self, x):
        return x * x

    def backward(self, g, y, x):
        return (g * 2.0 * x,)


class Other(Square):
    def backward(self, g, y, x):
        return (g,)


class Odd(Square):
    latex = "x^2"


def test_an_op_of_a_user_may_state_its_formulas():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert latex_of(Square) == Square.latex
    assert "dL/dx = 2 dL/dh₁ * x" in str(explain(Square.apply(x).sum(), names={"x": x}))


def test_formulas_of_another_rule_or_of_another_kind_are_none():
    assert latex_of(Other) is None
    assert latex_of(Odd) is None
    assert latex_of(type("Plain", (Function,), {})) is None


def test_without_latex2mathml_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    with pytest.raises(ImportError, match=r"^mathml: .* is missing; pip install latex2mathml$"):
        mathml("x + 1 + 2 + 3")
