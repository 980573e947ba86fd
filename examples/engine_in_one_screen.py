"""An autograd engine in one screen: a Tensor, its operations, and the backward pass.

Run as a program, it trains a small network to tell the points of two interleaved half circles
apart. The library, tinygrad_lite, is the same idea with many more operations, and faster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

POINTS = 400  # in the training set; the test set has as many
NOISE = 0.1  # standard deviation of the points around their half circle
HIDDEN = 16  # units in the hidden layer
STEPS = 400  # of gradient descent, each on the whole training set
LEARNING_RATE = 1.0  # length of a step, as a multiple of the gradient
SHIFT = 1e-6  # how far the finite difference moves a weight to either side
TARGET = 99.0  # percentage of the test points to get right; below it the exit status is 1

Parent = tuple["Tensor", Callable[[np.ndarray], np.ndarray]]  # a parent and its rule, see below


class Tensor:
    """An array, and a node of the graph that leads from the loss back to the parameters.

    The loss is the number to be differentiated, with respect to the parameters: the Tensors that
    were made with requires_grad=True. `backward` leaves the derivatives in their grad.

    An operation makes a new Tensor that knows its parents, the Tensors it was computed from. Each
    parent x comes with a rule. It takes g, the derivative of the loss with respect to the result
    y, and returns the derivative with respect to x, which by the chain rule is g times dy/dx.
    """

    made = 0  # how many Tensors have been made
    __array_ufunc__ = None  # in `array - tensor`, NumPy then calls our __rsub__

    def __init__(self, data: ArrayLike, *parents: Parent, requires_grad: bool = False) -> None:
        self.data = np.array(data, dtype=np.float64)
        if requires_grad:
            self.grad = np.zeros_like(self.data)
        # Constants are left out of the graph: nobody needs the derivative with respect to them.
        self.parents = [(parent, rule) for parent, rule in parents if parent.requires_grad]
        self.requires_grad: bool = requires_grad or len(self.parents) > 0
        Tensor.made += 1
        self.serial = Tensor.made  # a result has a higher number than its parents

    def __add__(self, other: Tensor | ArrayLike) -> Tensor:
        """y = a + b.  dy/da = 1, dy/db = 1."""
        other = as_tensor(other)
        return Tensor(self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other: Tensor | ArrayLike) -> Tensor:
        """y = a b.  dy/da = b, dy/db = a."""
        other = as_tensor(other)
        a, b = self.data, other.data
        return Tensor(a * b, (self, lambda g: g * b), (other, lambda g: g * a))

    def __matmul__(self, other: Tensor | ArrayLike) -> Tensor:
        """y_ij = sum_k a_ik b_kj.  For a_ik: sum_j g_ij b_kj = (g @ b.T)_ik.  For b: a.T @ g."""
        other = as_tensor(other)
        a, b = self.data, other.data  # mT is T for a stack of matrices too
        return Tensor(a @ b, (self, lambda g: g @ b.mT), (other, lambda g: a.mT @ g))

    def __pow__(self, n: float) -> Tensor:
        """y = x^n for a number n.  dy/dx = n x^(n-1)."""
        x = self.data
        return Tensor(x**n, (self, lambda g: g * n * x ** (n - 1)))

    def exp(self) -> Tensor:
        """y = e^x.  dy/dx = y."""
        y = np.exp(self.data)
        return Tensor(y, (self, lambda g: g * y))

    def log(self) -> Tensor:
        """y = ln x.  dy/dx = 1 / x."""
        x = self.data
        return Tensor(np.log(x), (self, lambda g: g / x))

    def tanh(self) -> Tensor:
        """y = tanh x.  dy/dx = 1 - y^2."""
        y = np.tanh(self.data)
        return Tensor(y, (self, lambda g: g * (1 - y**2)))

    def relu(self) -> Tensor:
        """y = max(x, 0).  dy/dx = 1 where x > 0, else 0."""
        x = self.data
        return Tensor(np.maximum(x, 0), (self, lambda g: g * (x > 0)))

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """y = the sum of x, of all or along one axis.  dy/dx = 1 for each x in the sum."""
        x, kept = self.data, self.data.sum(axis, keepdims=True)
        y = kept if keepdims else kept.squeeze(axis)
        return Tensor(y, (self, lambda g: g.reshape(kept.shape) * np.ones_like(x)))

    __radd__, __rmul__ = __add__, __mul__  # 2 + x is x + 2, and 2 * x is x * 2

    # The next five are composed of operations that have rules, so they need no rules themselves.

    def __neg__(self) -> Tensor:
        return self * -1

    def __sub__(self, other: Tensor | ArrayLike) -> Tensor:
        return self + -as_tensor(other)

    def __rsub__(self, other: ArrayLike) -> Tensor:
        return -self + other

    def __truediv__(self, other: Tensor | ArrayLike) -> Tensor:
        return self * as_tensor(other) ** -1

    def __rtruediv__(self, other: ArrayLike) -> Tensor:
        return self**-1 * other

    def backward(self) -> None:
        """Add the derivatives of self, a single number, to the grads of the parameters."""
        if self.data.size != 1 or not self.requires_grad:
            raise ValueError("backward: expected a single number that depends on a parameter")
        reachable, stack = {self}, [self]
        while stack:
            for parent, _ in stack.pop().parents:
                if parent not in reachable:
                    reachable.add(parent)
                    stack.append(parent)
        # Visit the newest node first. What was computed from a node is newer than the node, so a
        # node's gradient is complete by the time the node passes it on to its parents.
        gradients = {self: np.ones_like(self.data)}  # the derivative of self, for each node
        for node in sorted(reachable, key=lambda node: node.serial, reverse=True):
            gradient = gradients.pop(node)
            for parent, rule in node.parents:
                # A node used twice affects the loss along two paths: the chain rule adds both.
                share = unbroadcast(rule(gradient), parent.data.shape)
                gradients[parent] = gradients.get(parent, 0) + share
            if not node.parents:  # a leaf of the graph, which is a parameter
                node.grad += gradient


def as_tensor(value: Tensor | ArrayLike) -> Tensor:
    """Return a Tensor as it is, and a number or an array as a constant Tensor."""
    return value if isinstance(value, Tensor) else Tensor(value)


def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum the gradient over all copies that broadcasting made of an input of this shape.

    Where shapes differ, NumPy adds axes of size 1 in front, then copies along axes of size 1. Each
    copy of an element affects the loss, so their derivatives add up. (Where an axis of size 1 was
    not copied, the sum over it changes nothing.)
    """
    padded = (1,) * (gradient.ndim - len(shape)) + shape
    copied = tuple(axis for axis, size in enumerate(padded) if size == 1)
    return np.reshape(gradient.sum(copied), shape)


def two_moons(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points on two half circles, (POINTS, 2), and their labels 1 and -1, (POINTS, 1)."""
    # The lower half circle is the upper one, turned by 180 degrees and moved to the right.
    angle, label = rng.uniform(0, np.pi, (POINTS, 1)), rng.choice([1.0, -1.0], (POINTS, 1))
    upper = np.hstack([np.cos(angle), np.sin(angle)])
    return rng.normal(np.where(label > 0, upper, [1, 0.5] - upper), NOISE), label


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    (points, labels), (test_points, test_labels) = two_moons(rng), two_moons(rng)
    shapes = (2, HIDDEN), (HIDDEN,), (HIDDEN, 1), (1,)
    W1, b1, W2, b2 = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes)

    def scores(x: np.ndarray) -> Tensor:
        """Above 0 where the network sees label 1, below 0 where it sees -1.  (N, 2) -> (N, 1)."""
        return (Tensor(x) @ W1 + b1).tanh() @ W2 + b2

    def loss() -> Tensor:
        """The mean of -log(probability of the label), which is 1 / (1 + exp(-label * score))."""
        return (1 + (scores(points) * -labels).exp()).log().sum() / POINTS

    loss().backward()
    W1.data[0, 0] += SHIFT
    above = loss()
    W1.data[0, 0] -= 2 * SHIFT
    difference = (above - loss()) / (2 * SHIFT)
    W1.data[0, 0] += SHIFT
    print(f"W1[0, 0]  backward {W1.grad[0, 0]:.8f}  finite difference {difference.data:.8f}")

    for step in range(1, STEPS + 1):
        for parameter in (W1, b1, W2, b2):
            parameter.grad[:] = 0  # backward adds to what is there
        current = loss()
        current.backward()
        for parameter in (W1, b1, W2, b2):
            parameter.data -= LEARNING_RATE * parameter.grad
        if step % (STEPS // 4) == 0:
            print(f"step {step}/{STEPS}: loss {current.data:.4f}")

    accuracy = 100 * np.mean(scores(test_points).data * test_labels > 0)
    print(f"two moons: test accuracy {accuracy:.2f} % of {POINTS} points")
    sys.exit(int(accuracy < TARGET))
