"""The gates of one step of an LSTM or a GRU, side by side in one array, and their gradients.

The gradients are formulas on arrays or Tensors; those of arrays are written into given memory.
"""

from typing import Any

import numpy as np

from .activations import sigmoid


def lstm(
    z: Any, c: Any, gates: Any = None, c_next: Any = None, h_next: Any = None
) -> tuple[Any, Any, Any]:
    """h' = o tanh(c'), c' = f c + i g, and the gates i, f, g, o side by side.

    i, f, o are the sigmoid of their quarters of z, (N, 4 H), and g is the tanh of its quarter.
    gates, c_next, h_next: the memory of the results, if given.
    """
    size = c.shape[1]
    gates = sigmoid(z, gates)
    i, f, g, o = blocks(gates, 4)
    np.tanh(z[:, 2 * size : 3 * size], out=g)
    c_next = np.multiply(i, g, out=c_next)  # first, so that the memory order of the gates decides
    c_next += f * c
    h_next = np.tanh(c_next, out=h_next)
    h_next *= o
    return h_next, c_next, gates


def lstm_gradient(
    k: Any, p: Any, q: Any, gates: Any, c: Any, t: Any, out: Any = None
) -> tuple[Any, Any]:
    """The gradients of z and c in `lstm`, given k, p, q, those of h', c' and the gates.

    k, p or q may be None.  t is tanh(c'), and s is the total gradient of c'.  Array or Tensor.
    """
    k = np.zeros_like(c) if k is None else k
    p = np.zeros_like(c) if p is None else p
    i, f, g, o = blocks(gates, 4)
    if type(gates) is np.ndarray:
        return _lstm_gradient_in_place(k, p, q, gates, c, t, out)
    s = k * o * (1.0 - t * t) + p
    gz = np.concatenate((s * g, s * c, s * i, k * t), axis=1)
    slopes = i * (1.0 - i), f * (1.0 - f), 1.0 - g * g, o * (1.0 - o)
    return (gz if q is None else gz + q) * np.concatenate(slopes, axis=1), s * f


def _lstm_gradient_in_place(
    k: Any, p: Any, q: Any, gates: Any, c: Any, t: Any, out: Any
) -> tuple[Any, Any]:
    """`lstm_gradient` of arrays, with as few new ones as possible."""
    gz = np.empty_like(gates) if out is None else out
    i, f, g, o = blocks(gates, 4)
    of_i, of_f, of_g, of_o = blocks(gz, 4)
    s = t * t
    np.subtract(1.0, s, out=s)
    s *= o
    s *= k
    s += p
    np.multiply(s, g, out=of_i)
    np.multiply(s, c, out=of_f)
    np.multiply(s, i, out=of_g)
    np.multiply(k, t, out=of_o)
    if q is not None:
        gz += q
    slopes = 1.0 - gates
    slopes *= gates
    of_g = blocks(slopes, 4)[2]
    np.multiply(g, g, out=of_g)
    np.subtract(1.0, of_g, out=of_g)
    gz *= slopes
    s *= f
    return gz, s


def gru(z: Any, a: Any, h: Any, gates: Any, h_next: Any) -> None:
    """h' = n + u (h - n), and the gates r, u, n and m side by side, written into the last two.

    z, a: (N, 3 H), the parts of the input and of h.  r and u are the sigmoid of the sums of their
    first two thirds, m is the last third of a, and n = tanh(the last third of z + r m).
    """
    size = h.shape[1]
    r, u, n, m = blocks(gates, 4)
    first = gates[:, : 2 * size]
    np.add(z[:, : 2 * size], a[:, : 2 * size], out=first)
    sigmoid(first, first)
    m[...] = a[:, 2 * size :]
    np.multiply(r, m, out=n)
    n += z[:, 2 * size :]
    np.tanh(n, out=n)
    np.subtract(h, n, out=h_next)
    h_next *= u
    h_next += n


def gru_gradient(k: Any, q: Any, gates: Any, h: Any, of_z: Any, of_a: Any) -> tuple[Any, Any, Any]:
    """The gradients of z, a and h in `gru`, that of h without its share in a.

    k, q: the gradients of h' and of the gates; q may be None.  Array or Tensor.
    """
    if type(gates) is np.ndarray:
        return _gru_gradient_in_place(k, q, gates, h, of_z, of_a)
    r, u, n, m = blocks(gates, 4)
    gr, gu, gn, gm = (0.0, 0.0, 0.0, 0.0) if q is None else blocks(q, 4)
    gn = (k * (1.0 - u) + gn) * (1.0 - n * n)
    gr = (gn * m + gr) * (r * (1.0 - r))
    gu = (k * (h - n) + gu) * (u * (1.0 - u))
    gm = gn * r + gm
    return np.concatenate((gr, gu, gn), axis=1), np.concatenate((gr, gu, gm), axis=1), k * u


def _gru_gradient_in_place(
    k: Any, q: Any, gates: Any, h: Any, of_z: Any, of_a: Any
) -> tuple[Any, Any, Any]:
    """`gru_gradient` of arrays, with as few new ones as possible."""
    (r, u, n, m), (gr, gu, gn), size = blocks(gates, 4), blocks(of_z, 3), h.shape[1]
    qr, qu, qn, qm = (None,) * 4 if q is None else blocks(q, 4)
    np.subtract(1.0, u, out=gu)
    np.multiply(gu, k, out=gn)
    if qn is not None:
        gn += qn
    part = n * n
    np.subtract(1.0, part, out=part)
    gn *= part
    np.multiply(gn, m, out=gr)
    if qr is not None:
        gr += qr
    np.subtract(1.0, r, out=part)
    part *= r
    gr *= part
    np.subtract(h, n, out=part)
    part *= k
    if qu is not None:
        part += qu
    gu *= u
    gu *= part
    of_a[:, : 2 * size] = of_z[:, : 2 * size]
    gm = np.multiply(gn, r, out=of_a[:, 2 * size :])
    if qm is not None:
        gm += qm
    return of_z, of_a, np.multiply(k, u, out=part)


def blocks(x: Any, count: int) -> list[Any]:
    """The columns of x as blocks of equal width.  Array or Tensor."""
    size = x.shape[1] // count
    return [x[:, start : start + size] for start in range(0, count * size, size)]
