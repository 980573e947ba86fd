"""The gates of an LSTM cell, side by side in one array (N, 4 H), and their gradients."""

from typing import Any

import numpy as np

from .activations import sigmoid


def lstm(z: Any, c: Any) -> tuple[Any, Any, Any]:
    """h' = o tanh(c'), c' = f c + i g, and the gates i, f, g, o side by side.

    i, f, o are the sigmoid of their quarters of z, (N, 4 H), and g is the tanh of its quarter.
    """
    size = c.shape[1]
    gates = sigmoid(z)
    i, f, g, o = quarters(gates)
    np.tanh(z[:, 2 * size : 3 * size], out=g)
    c_next = i * g  # first, so that the memory order of the gates decides
    c_next += f * c
    return o * np.tanh(c_next), c_next, gates


def lstm_gradient(k: Any, p: Any, q: Any, gates: Any, c: Any) -> tuple[Any, Any]:
    """The gradients of z and c in `lstm`, given k, p, q, those of h', c' and the gates.

    k, p or q may be None.  s is the total gradient of c'.  Array or Tensor.
    """
    k = np.zeros_like(c) if k is None else k
    p = np.zeros_like(c) if p is None else p
    if type(gates) is np.ndarray:
        return _lstm_gradient_in_place(k, p, q, gates, c)
    i, f, g, o = quarters(gates)
    t = np.tanh(i * g + f * c)  # computed again, so that h' and c' need not be saved
    s = k * o * (1.0 - t * t) + p
    gz = np.concatenate((s * g, s * c, s * i, k * t), axis=1)
    slopes = i * (1.0 - i), f * (1.0 - f), 1.0 - g * g, o * (1.0 - o)
    return (gz if q is None else gz + q) * np.concatenate(slopes, axis=1), s * f


def _lstm_gradient_in_place(k: Any, p: Any, q: Any, gates: Any, c: Any) -> tuple[Any, Any]:
    """`lstm_gradient` of arrays, with as few new ones as possible."""
    gz = np.empty_like(gates)
    i, f, g, o = quarters(gates)
    of_i, of_f, of_g, of_o = quarters(gz)
    t = i * g
    t += np.multiply(f, c, out=of_f)
    np.tanh(t, out=t)
    np.multiply(k, t, out=of_o)
    t *= t
    s = np.subtract(1.0, t, out=t)
    s *= o
    s *= k
    s += p
    np.multiply(s, g, out=of_i)
    np.multiply(s, c, out=of_f)
    np.multiply(s, i, out=of_g)
    if q is not None:
        gz += q
    slopes = 1.0 - gates
    slopes *= gates
    of_g = quarters(slopes)[2]
    np.multiply(g, g, out=of_g)
    np.subtract(1.0, of_g, out=of_g)
    gz *= slopes
    s *= f
    return gz, s


def quarters(x: Any) -> list[Any]:
    """The columns of i, f, g, o.  Array or Tensor."""
    size = x.shape[1] // 4
    return [x[:, start : start + size] for start in range(0, 4 * size, size)]
