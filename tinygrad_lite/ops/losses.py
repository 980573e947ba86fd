"""Losses that are one primitive for the sake of speed."""

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
        truth = (self.labels[:, None] == np.arange(x.shape[1])).astype(x.dtype)
        return ((probabilities - truth) * g.reshape((x.shape[0], 1)),)
