"""Losses that are one primitive, for the sake of speed or of what happens at their corners."""

import numpy as np

from ..graph import Function


class CrossEntropy(Function):
    """y_n = log(sum_k exp(x_nk)) - x_nt with t = labels[n].  dy_n/dx_nk = softmax(x)_nk - [k = t].

    That is -log of the probability that softmax gives the true class; x: (N, K), y: (N,).  The
    largest x of each row is subtracted first, so that exp cannot overflow; it cancels out.

    Composed of log_softmax and an index it is nine operations.  As one, a training step of the
    784-1024-10 network at batch 128 takes 2 to 3 % less time, and a small network's much less.
    """

    __slots__ = ("labels", "largest")
    saves = "inputs"
    fresh = True

    def __init__(self, labels):
        self.labels = labels

    def forward(self, x):
        self.largest = np.maximum.reduce(x, axis=1, keepdims=True, initial=-np.inf)
        shifted = x - self.largest
        total = np.add.reduce(np.exp(shifted), axis=1)
        return np.log(total) - shifted[np.arange(len(x)), self.labels]

    def backward(self, g, y, x):
        powers = np.exp(x - self.largest)
        probabilities = powers / np.add.reduce(powers, axis=1, keepdims=True)
        truth = self.labels[:, None] == np.arange(x.shape[1])
        return ((probabilities - truth) * g.reshape((x.shape[0], 1)),)


class BinaryCrossEntropy(Function):
    """y = -t log(p) - (1 - t) log(1 - p).  dy/dp = (p - t) / (p (1 - p)), dy/dt = log((1 - p) / p).

    Both logarithms are -100 at least, so that y is finite at p = 0 and p = 1, and the denominator
    is 1e-12 at least: there dy/dp is not the slope of the clamped y, which is 0, but large, so that
    a wrong certainty is undone.  As PyTorch, except that dy/dt is finite there too.

    Composed of log it would be 0 / 0 at the corners; hence one primitive.
    """

    __slots__ = ()
    saves = "inputs"
    fresh = True

    def forward(self, p, t):
        return (t - 1.0) * clamped_log(1.0 - p) - t * clamped_log(p)

    def backward(self, g, y, p, t):
        return (
            g * (p - t) / np.maximum(p * (1.0 - p), 1e-12) if self.needs[0] else None,
            g * (clamped_log(1.0 - p) - clamped_log(p)) if self.needs[1] else None,
        )


def clamped_log(p):
    """log(p), but -100 at least.  Array or Tensor."""
    return np.maximum(np.log(p), -100.0)
