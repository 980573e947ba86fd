"""A second engine, as slow and as plain as can be: the oracle for random graphs.

It sums over every path from the result to an input (the chain rule written out), with no order,
no sharing and no in-place sum, so it has none of the ways to go wrong that a real engine has.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Rule = Callable[[np.ndarray], np.ndarray]


class Naive:
    """A value, and for each parent the rule that maps our gradient to the parent's."""

    def __init__(self, value: Any, *parents: tuple["Naive", Rule]) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.parents = parents

    def gradient_of(self, target: "Naive", cotangent: np.ndarray) -> np.ndarray:
        """The sum, over all paths from here to the target, of what the rules make of cotangent."""
        total = cotangent.copy() if self is target else np.zeros(target.value.shape)
        for parent, rule in self.parents:
            total = total + parent.gradient_of(target, rule(cotangent))
        return total


def shrink(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum each element over all the positions to which broadcasting copied it, one by one."""
    source = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), gradient.shape)
    total = np.zeros(int(np.prod(shape)))
    for position, value in zip(source.ravel(), gradient.ravel(), strict=True):
        total[position] += value
    return total.reshape(shape)


def add(a: Naive, b: Naive) -> Naive:
    def to(x: Naive) -> Rule:
        return lambda g: shrink(g, x.value.shape)

    return Naive(a.value + b.value, (a, to(a)), (b, to(b)))


def mul(a: Naive, b: Naive) -> Naive:
    return Naive(
        a.value * b.value,
        (a, lambda g: shrink(g * b.value, a.value.shape)),
        (b, lambda g: shrink(g * a.value, b.value.shape)),
    )


def tanh(a: Naive) -> Naive:
    return Naive(np.tanh(a.value), (a, lambda g: g / np.cosh(a.value) ** 2))


def relu(a: Naive) -> Naive:
    return Naive(np.maximum(a.value, 0), (a, lambda g: np.where(a.value > 0, g, 0)))


def total(a: Naive) -> Naive:
    return Naive(a.value.sum(), (a, lambda g: g * np.ones(a.value.shape)))


def transpose(a: Naive) -> Naive:
    return Naive(a.value.T, (a, lambda g: g.T))


def gram(a: Naive, b: Naive) -> Naive:
    """a^T b for matrices."""
    return Naive(a.value.T @ b.value, (a, lambda g: b.value @ g.T), (b, lambda g: a.value @ g))
