r"""Softmax and cross entropy, however they were written: (softmax(z) - one_hot(labels)) / N.

Recognised are the fused primitive; log_softmax; softmax and log; exp, sum and division; and
log(sum(exp(z))) with or without a shift of z.  All of these are functions of p = softmax(z):

    log_softmax, with the gradient G of its result:     dz = G - p sum(G)
    p itself, with the gradient H of p:                  the same with G = H p
    log(sum(exp(z))), with the gradient w of its result: dz = w p + what reaches z elsewhere

If G is -w at the label of each sample and 0 elsewhere, dz is w (p - one_hot).  The claim is made
only where it agrees with the computed gradient.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.graph import Array, Node
from ..graph.keeping import kept_of
from .closing import Closing, Known, equality, is_near, is_one_of
from .document import Math


@dataclass(slots=True)
class _Found:
    """A softmax cross entropy: scores, the axis of the classes, weights, and targets.

    weight   the derivative of the result by the loss of each sample, of size 1 along the axis
    targets  the probability that each class should have: one-hot rows, or others
    nearly   whether the weights are not exact, since something small is added inside the log
    """

    scores: Node
    axis: int
    weight: Array
    targets: Array


def softmax_losses(known: Known) -> Iterator[Closing]:
    """What the softmax cross entropies in a graph come to."""
    seen = set()
    for node in known.history.order:
        recognise = _RECOGNISED.get(type(node).__name__)
        found = None if recognise is None else recognise(known, node)
        if found is None or found.scores in seen:
            continue
        closing = _closing(known, found)
        if closing is not None:
            seen.add(found.scores)
            yield closing


def _closing(known: Known, found: _Found) -> Closing | None:
    scores, computed = known.value(found.scores), known.gradient(found.scores)
    if scores is None or computed is None or not computed.any():
        return None
    p = _softmax(scores, found.axis)
    expected = (p - found.targets) * found.weight
    if not is_near(expected, computed, 1e-3):
        return None
    one_hot = bool(np.isin(found.targets, (0.0, 1.0)).all())
    z = known.symbols.of(found.scores)
    target = r"\operatorname{one\_hot}(\mathrm{labels})" if one_hot else r"\mathrm{targets}"
    difference = rf"\operatorname{{softmax}}({z}) - {target}"
    formula, why_n = _weighted(difference, found.weight)
    sentences: list[Any] = [(equality(expected, computed),)]
    if one_hot:
        sentences.append(
            (
                "Why minus one: the loss of one sample is ",
                Math(r"\log \sum_{k} e^{z_{k}} - z_{\mathrm{label}}"),
                ". The derivative of the first term is softmax; the second term contains only the "
                "score of the true class, and its derivative there is 1: so 1 is subtracted at the "
                "true class, and nothing at the others.",
            )
        )
    if why_n:
        sentences.append((why_n,))
    return Closing(
        "Softmax and cross entropy",
        f"{known.derivative(found.scores)} = {formula}",
        sentences,
        found.scores,
        expected,
    )


def _weighted(difference: str, weight: Array) -> tuple[str, str]:
    """The formula with the weights of the samples, and why they are there."""
    samples = weight.size
    first = float(weight.reshape(-1)[0])
    if np.abs(weight - first).max() > 1e-5 * abs(first):
        counted = int(np.count_nonzero(weight))
        left = f"; {samples - counted} samples do not count" if counted < samples else ""
        return (
            rf"w_{{n}} \left({difference}\right)",
            "w_n is the weight of sample n in the result: its loss enters with this factor, and so "
            f"does its derivative{left}.",
        )
    if abs(first - 1) < 1e-5:
        return difference, ""
    if is_one_of(samples, first):
        return (
            rf"\frac{{{difference}}}{{N}}, \quad N = {samples}",
            f"Why divide by N: the result is the mean of the losses of {samples} samples, so the "
            "loss of each enters with the factor 1 / N, and so does its derivative.",
        )
    return (
        rf"{first:.6g} \left({difference}\right)",
        f"The loss of each sample enters the result with the factor {first:.6g}, and so does its "
        "derivative.",
    )


def _softmax(scores: Array, axis: int) -> Array:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    softmax: Array = powers / powers.sum(axis=axis, keepdims=True)
    return softmax


# The forms


def _fused(known: Known, node: Any) -> _Found | None:
    outputs = known.symbols.outputs(node)
    scores = node.parents[0]
    if scores is None or len(outputs) != 1 or outputs[0].index != 0:
        return None
    weight = known.gradient(outputs[0])
    if weight is None:
        return None
    labels = np.expand_dims(node.labels, 1)
    classes = np.arange(scores.out_shape[1]).reshape((1, -1) + (1,) * (len(scores.out_shape) - 2))
    return _Found(scores, 1, np.expand_dims(weight, 1), (labels == classes).astype(np.float64))


def _log_softmax(known: Known, node: Any) -> _Found | None:
    gradient = known.gradient(node)
    if len(node.axes) != 1 or node.parents[0] is None or gradient is None:
        return None
    return _of_logarithms(known, node.parents[0], node.axes[0], gradient)


def _softmax_op(known: Known, node: Any) -> _Found | None:
    if len(node.axes) != 1 or node.parents[0] is None or node.mask is not None:
        return None
    return _of_probabilities(known, node.parents[0], node.axes[0], node)


def _quotient(known: Known, node: Any) -> _Found | None:
    """exp(s) / sum(exp(s))."""
    powers, total = node.parents
    summed = _sum_of_powers(total)
    if summed is None or powers is None or total.parents[0] is not powers:
        return None
    return _of_probabilities(known, summed[0], summed[1], node)


def _logarithm(known: Known, node: Any) -> _Found | None:
    """log(sum(exp(s)))."""
    summed = _sum_of_powers(node.parents[0])
    if summed is None:
        return None
    scores, axis = _unshifted(summed[0], summed[1]), summed[1]
    weight, computed, values = known.gradient(node), known.gradient(scores), known.value(scores)
    if weight is None or computed is None or values is None:
        return None
    if weight.ndim < values.ndim:
        weight = np.expand_dims(weight, axis)
    rest = computed - _softmax(values, axis) * weight  # what reaches the scores on other paths
    return _of_targets(known, scores, axis, weight, rest)


def _sum_of_powers(node: Any) -> tuple[Node, int] | None:
    """The scores s and the axis, if the node is sum(exp(s)) over one axis."""
    if type(node).__name__ != "Sum" or len(node.axes) != 1:
        return None
    powers = node.parents[0]
    if type(powers).__name__ != "Exp" or powers.parents[0] is None:
        return None
    return powers.parents[0], node.axes[0]


def _of_probabilities(known: Known, shifted: Node, axis: int, node: Node) -> _Found | None:
    gradient, p = known.gradient(node), known.value(node)
    if gradient is None or p is None:
        return None
    return _of_logarithms(known, shifted, axis, gradient * p)


def _of_logarithms(known: Known, shifted: Node, axis: int, gradient: Array) -> _Found | None:
    weight = -gradient.sum(axis=axis, keepdims=True)
    return _of_targets(known, _unshifted(shifted, axis), axis, weight, gradient)


def _of_targets(known: Known, scores: Node, axis: int, weight: Array, rest: Array) -> _Found | None:
    """The targets -rest / weight, if these are probabilities."""
    if not weight.any() or (weight < 0).any():
        return None
    targets = -rest / np.where(weight == 0, 1.0, weight)
    if np.abs(targets.sum(axis=axis, keepdims=True) - 1)[weight != 0].max() > 1e-3:
        return None
    if targets.min() < -1e-3:
        return None
    largest = targets.argmax(axis=axis)
    classes = np.arange(targets.shape[axis]).reshape(
        [-1 if k == axis else 1 for k in range(targets.ndim)]
    )
    one_hot = (np.expand_dims(largest, axis) == classes).astype(np.float64)
    if np.abs(np.where(weight == 0, 0.0, targets - one_hot)).max() < 1e-3:
        labels = _labels_read(known, largest)
        if labels is None:
            return None
        targets = (np.expand_dims(labels, axis) == classes).astype(np.float64)
    return _Found(scores, axis, weight, targets)


def _labels_read(known: Known, labels: Array) -> Array | None:
    """The labels by which a step reads, if one reads one element of each sample; else as given.

    None if such labels contradict those that follow from the gradient.
    """
    for node in known.history.order:
        index = getattr(node, "index", None)
        if type(node).__name__ == "Getitem" and isinstance(index, tuple) and len(index) == 2:
            read = index[1]
            if isinstance(read, np.ndarray) and read.shape == labels.shape:
                return read if np.array_equal(read % (1 << 62), labels) else labels
    return labels


def _unshifted(node: Node, axis: int) -> Node:
    """The scores from which the same number was subtracted for all classes of a sample, if any.

    Softmax does not change by that.
    """
    while True:
        if type(node).__name__ not in ("Sub", "Add") or node.parents[0] is None:
            return node
        other = node.parents[1]
        if other is None:
            if not _constant_is_shift(node, axis):
                return node
        elif not _is_shift(other.out_shape, node.out_shape, axis):
            return node
        if node.parents[0].out_shape != node.out_shape:
            return node
        node = node.parents[0]


def _is_shift(shape: tuple[int, ...], whole: tuple[int, ...], axis: int) -> bool:
    """Whether an operand of this shape is the same for all classes."""
    position = axis - (len(whole) - len(shape))
    return position < 0 or (shape[position] == 1 and whole[axis] > 1)


def _constant_is_shift(node: Any, axis: int) -> bool:
    kept = kept_of(node)
    given = kept.inputs[1] if kept is not None and kept.inputs else None
    if given is None:
        return True  # unknown: the claim is compared with the computed gradient anyway
    return _is_shift(np.shape(given), node.out_shape, axis)


_RECOGNISED = {
    "CrossEntropy": _fused, "LogSoftmax": _log_softmax, "Softmax": _softmax_op, "Div": _quotient,
    "Log": _logarithm,
}  # fmt: skip
