"""Well-known compositions, and what their derivatives come to: the last lines of an explanation."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...engine.graph import Array, Leaf, Node
from ..formulas.symbols import Symbols, number_latex
from ..graph.history import History
from ..graph.keeping import kept_of
from ..graph.recomputing import MOST_STEPS, Recomputation
from .closing import Closing, Known, equality, is_near, mean_over
from .document import Math
from .softmax_loss import softmax_losses
from .steps import Steps


def closing_lines(
    history: History, symbols: Symbols, recomputed: Recomputation, leading: set[Node]
) -> list[Closing]:
    """What known compositions in a graph come to, where that agrees with what was computed."""
    if len(history.order) > MOST_STEPS:
        return []
    known = Known(history, symbols, recomputed, Steps(history, symbols))
    losses = [*softmax_losses(known), *_squared_errors(known), *_binary_losses(known)]
    layers = [layer for loss in losses for layer in _layer(known, loss)]
    told = {layer.node for layer in layers}
    penalties = [one for one in _penalties(known) if one.node not in told]
    return [one for one in (*penalties, *layers, *losses) if one.node in leading]


# Squares


def _square_of(node: Any) -> Node | None:
    """The node that is squared, if this is a square."""
    if type(node).__name__ == "Mul" and node.parents[0] is node.parents[1]:
        return node.parents[0]
    if type(node).__name__ == "Pow" and node.parents[1] is None:
        kept = kept_of(node)
        saved: Any = node.saved_inputs or (kept.inputs if kept is not None else ())
        if len(saved) == 2 and np.ndim(saved[1]) == 0 and saved[1] == 2:
            return node.parents[0]
    return None


def _constant_factor(known: Known, node: Node) -> float | None:
    """The gradient of a node, if it is the same for all elements and not 0."""
    gradient = known.gradient(node)
    if gradient is None or not gradient.size or not gradient.any():
        return None
    first = float(gradient.reshape(-1)[0])
    return first if np.abs(gradient - first).max() <= 1e-6 * abs(first) else None


def _squared_errors(known: Known) -> Iterator[Closing]:
    """Mean squared errors: 2 (p - y) / N."""
    for node in known.history.order:
        error = _square_of(node)
        if type(error).__name__ != "Sub" or error is None or error.parents[0] is None:
            continue
        factor, computed = _constant_factor(known, node), known.gradient(error)
        difference = known.value(error)
        if factor is None or computed is None or difference is None:
            continue
        left, right = known.input(error, 0), known.input(error, 1)
        if left is not None and right is not None:
            difference = left - right
        expected = 2 * factor * difference
        prediction = error.parents[0]
        if prediction.out_shape != error.out_shape or not is_near(expected, computed):
            continue
        p, y = known.steps.operands(error)
        mean = mean_over(error.out_shape, factor, "squares")
        sentences: list[Any] = [
            (equality(expected, computed),),
            ("Why 2: the derivative of a square is twice what is squared.",),
        ]
        if mean is not None:
            formula = rf"\frac{{2 \left({p} - {y}\right)}}{{N}}, \quad N = {mean[0]}"
            sentences.append((mean[1],))
        else:
            if factor == 0.5:
                sentences[-1] = ("Why no 2: the factor 1/2 cancels that of a square's derivative.",)
            lead = "" if factor == 0.5 else number_latex(2 * factor) + r" \, "
            formula = rf"{lead}\left({p} - {y}\right)"
        left_side = known.derivative(prediction)
        if len(known.history.arrivals(prediction)) > 1:
            formula += r"\quad \text{from this path}"
        yield Closing(
            "A squared error", f"{left_side} = {formula}", sentences, prediction, expected
        )


# Sigmoid


def _binary_losses(known: Known) -> Iterator[Closing]:
    """Sigmoid and binary cross entropy: (sigmoid(z) - y) / N."""
    for node in known.history.order:
        name = type(node).__name__
        scores = node.parents[0] if name in ("Sigmoid", "Softplus") else None
        if scores is None:
            continue
        found = _of_sigmoid(known, node) if name == "Sigmoid" else _of_softplus(known, node)
        values, computed = known.value(scores), known.gradient(scores)
        if found is None or values is None or computed is None:
            continue
        weight, targets = found
        expected = weight * (1 / (1 + np.exp(-values)) - targets)
        if not is_near(expected, computed, 1e-3):
            continue
        difference = rf"\operatorname{{sigmoid}}({known.symbols.of(scores)}) - \mathrm{{targets}}"
        first = float(weight.reshape(-1)[0])
        same = np.abs(weight - first).max() <= 1e-5 * abs(first)
        mean = mean_over(weight.shape, first, "losses") if same else None
        sentences: list[Any] = [
            (equality(expected, computed),),
            (
                "Why so simple: the derivative of the loss by the probability p is (p - target) / "
                "(p (1 - p)), and that of sigmoid is p (1 - p); they cancel.",
            ),
        ]
        if mean is not None:
            formula = rf"\frac{{{difference}}}{{N}}, \quad N = {mean[0]}"
            sentences.append((mean[1],))
        else:
            lead = "" if same and abs(first - 1) < 1e-6 else "w_{n}"
            lead = number_latex(first) if same and lead else lead
            formula = rf"{lead} \left({difference}\right)" if lead else difference
        yield Closing(
            "Sigmoid and binary cross entropy",
            f"{known.derivative(scores)} = {formula}",
            sentences,
            scores,
            expected,
        )


def _of_sigmoid(known: Known, node: Node) -> tuple[Array, Array] | None:
    """The weights and the targets of -t log(p) - (1 - t) log(1 - p), where the node gives p."""
    positive = negative = None
    for child, position in known.history.children(node):
        if type(child).__name__ == "BinaryCrossEntropy" and position == 0:
            weight, targets = known.gradient(child), known.input(child, 1)
            return None if weight is None or targets is None else (weight, targets)
        if type(child).__name__ == "Log":
            positive = known.gradient(child)
        if type(child).__name__ == "Sub" and position == 1:
            for log, _ in known.history.children(child):
                negative = known.gradient(log) if type(log).__name__ == "Log" else negative
    if positive is None or negative is None:
        return None
    return _weight_and_targets(-positive, -negative)


def _of_softplus(known: Known, node: Node) -> tuple[Array, Array] | None:
    """The same for t softplus(-x) + (1 - t) softplus(x), where the node is softplus(x)."""
    negative = known.gradient(node)
    scores = node.parents[0]
    for child, _ in known.history.children(scores) if scores is not None else ():
        if type(child).__name__ == "Neg":
            for softplus, _ in known.history.children(child):
                positive = known.gradient(softplus)
                if type(softplus).__name__ != "Softplus" or positive is None or negative is None:
                    continue
                return _weight_and_targets(positive, negative)
    return None


def _weight_and_targets(positive: Array, negative: Array) -> tuple[Array, Array] | None:
    """Weights w and targets t from w t and w (1 - t)."""
    if positive.shape != negative.shape:
        return None
    weight = positive + negative
    if not (weight > 0).all():
        return None
    return weight, positive / weight


# Layers and penalties


def _layer(known: Known, closing: Closing) -> Iterator[Closing]:
    """The derivatives of the linear layer that computed the scores: those of its weights."""
    node: Any = closing.node
    if type(node).__name__ == "Add" and type(node.parents[0]).__name__ == "Matmul":
        bias, product = node.parents[1], node.parents[0]
    elif type(node).__name__ in ("Linear", "Matmul"):
        product = node
        bias = node.parents[2] if type(node).__name__ == "Linear" else None
    else:
        return
    weight = product.parents[1]
    x = known.input(product, 0)
    if weight is None or x is None or x.ndim != 2 or len(weight.out_shape) != 2:
        return
    computed = known.gradient(weight)
    transposed = bool(getattr(product, "transposed", False))
    expected = closing.value.T @ x if transposed else x.T @ closing.value
    z, inputs = known.symbols.of(node), known.steps.operands(product)[0]
    bar = known.derivative(node)
    main = (
        rf"\left({bar}\right)^{{\top}} \; {inputs}"
        if transposed
        else rf"{inputs}^{{\top}} \; {bar}"
    )
    penalty = _penalty_of(known, weight)
    if penalty is not None and computed is not None:
        factor, value = penalty
        expected = expected + factor * value
        main += rf" + {number_latex(factor)} \, {known.symbols.of(weight)}"
    if computed is None or not is_near(expected, computed, 1e-3):
        return
    sentences: list[Any] = [
        (equality(expected, computed),),
        (
            "Why this product: a weight multiplies one input of the layer in every sample, so its "
            "derivative is that input times the derivative of ",
            Math(z),
            ", added up over the samples.",
        ),
    ]
    if penalty is not None:
        sentences.append(_why_penalty(weight, known))
    if isinstance(bias, Leaf) and len(bias.out_shape) == 1:
        total, found = closing.value.sum(axis=0), known.gradient(bias)
        if found is not None and is_near(total, found, 1e-3):
            sentences.append(
                (
                    "The bias is added to every sample, so its derivative is the sum over them: ",
                    Math(rf"{known.derivative(bias)} = \sum_{{n}} {known.derivative(node)}"),
                    ".",
                )
            )
    yield Closing(
        "The linear layer that ends in the scores",
        f"{known.derivative(weight)} = {main}",
        sentences,
        weight,
        expected,
    )


def _penalty_of(known: Known, weight: Node) -> tuple[float, Array] | None:
    """Of a penalty c / 2 times the sum of w^2: the factor c and w; None if there is none."""
    for square, _ in known.history.children(weight):
        if _square_of(square) is weight:
            factor, value = _constant_factor(known, square), known.value(weight)
            if factor is not None and value is not None:
                return 2 * factor, value
    return None


def _why_penalty(weight: Node, known: Known) -> tuple[str | Math, ...]:
    return (
        "The last term comes from the penalty on the squares of ",
        Math(known.symbols.of(weight)),
        ": the derivative of a square is twice what is squared.  It adds, since the derivatives on "
        "all paths add.",
    )


def _penalties(known: Known) -> Iterator[Closing]:
    """Parameters whose squares are added to the result: c w."""
    for leaf in known.symbols.leaves:
        penalty = _penalty_of(known, leaf)
        if penalty is None:
            continue
        factor, value = penalty
        square = next(c for c, _ in known.history.children(leaf) if _square_of(c) is leaf)
        part = next(part for part in known.steps.parts(square) if part.parent is leaf)
        if part.value is None or not is_near(factor * value, part.value.astype(np.float64)):
            continue
        several = len(known.history.arrivals(leaf)) > 1
        w = known.symbols.of(leaf)
        left = known.derivative(leaf)
        formula = rf"{number_latex(factor)} \, {w}"
        yield Closing(
            "A penalty on squares",
            rf"{left} = \ldots + {formula}" if several else f"{left} = {formula}",
            [
                (equality(factor * value, part.value),),
                _why_penalty(leaf, known),
            ],
            leaf,
            factor * value,
        )
