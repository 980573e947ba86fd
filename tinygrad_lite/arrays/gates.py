"""The gates of one step of an LSTM or a GRU, side by side in one array, and their gradients.

What gradients are multiples of (the slopes) does not depend on later steps: it is computed for many
steps at once.
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


def lstm_slopes(gates: Any, c: Any, t: Any, out: Any = None) -> tuple[Any, Any]:
    """What the gradients of `lstm` are multiples of: (g i', c f', i g', t o') and o (1 - t^2).

    i' is the slope i (1 - i) of a sigmoid, g' the slope 1 - g^2 of tanh, and t = tanh(c'), the next
    c.  Array or Tensor; an array is written into `out`.
    """
    i, f, g, o = blocks(gates, 4)
    if gates.__class__ is not np.ndarray:
        parts = g * (i * (1.0 - i)), c * (f * (1.0 - f)), i * (1.0 - g * g), t * (o * (1.0 - o))
        return np.concatenate(parts, axis=1), o * (1.0 - t * t)
    slopes = np.subtract(1.0, gates, out=np.empty_like(gates) if out is None else out)
    slopes *= gates
    of_i, of_f, of_g, of_o = blocks(slopes, 4)
    np.multiply(g, g, out=of_g)
    np.subtract(1.0, of_g, out=of_g)
    of_i *= g
    of_f *= c
    of_g *= i
    of_o *= t
    through = t * t
    np.subtract(1.0, through, out=through)
    through *= o
    return slopes, through


def lstm_gradient(k: Any, p: Any, slopes: Any, through: Any, f: Any) -> tuple[Any, Any]:
    """The gradients of z and c in `lstm`, given k and p, those of h' and c', and `lstm_slopes`.

    k or p may be None.  f: the forget gate.  Array or Tensor; slopes in an array are overwritten.
    """
    k = np.zeros_like(f) if k is None else k
    p = np.zeros_like(f) if p is None else p
    s = through * k
    if s.__class__ is not np.ndarray:
        s = s + p
        return np.concatenate((s, s, s, k), axis=1) * slopes, s * f
    s += p
    size = s.shape[1]
    times(slopes[:, : 3 * size], s)
    slopes[:, 3 * size :] *= k
    s *= f
    return slopes, s


def lstm_gates_gradient(q: Any, gates: Any) -> Any:
    """The gradient of z in `lstm`, given q, that of the gates.  Array or Tensor."""
    i, f, g, o = blocks(gates, 4)
    slopes = i * (1.0 - i), f * (1.0 - f), 1.0 - g * g, o * (1.0 - o)
    return q * np.concatenate(slopes, axis=1)


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


def gru_slopes(gates: Any, h: Any, of_z: Any = None, of_a: Any = None) -> tuple[Any, Any]:
    """What the gradients of z and a in `gru` are, for each 1 in that of h'; side by side.

    (n' m r', (h - n) u', n') of z, with r' = r (1 - r), u' = u (1 - u), n' = (1 - u) (1 - n^2); of
    a the last is n' r.  Array or Tensor; arrays are written into of_z and of_a.
    """
    r, u, n, m = blocks(gates, 4)
    if gates.__class__ is not np.ndarray:
        of_n = (1.0 - u) * (1.0 - n * n)
        both = of_n * m * (r * (1.0 - r)), (h - n) * (u * (1.0 - u))
        return np.concatenate((*both, of_n), axis=1), np.concatenate((*both, of_n * r), axis=1)
    (of_r, of_u, of_n), size = blocks(of_z, 3), h.shape[1]
    np.subtract(1.0, gates[:, : 2 * size], out=of_z[:, : 2 * size])
    np.multiply(n, n, out=of_n)
    np.subtract(1.0, of_n, out=of_n)
    of_n *= of_u
    of_z[:, : 2 * size] *= gates[:, : 2 * size]
    of_r *= m
    of_r *= of_n
    of_u *= h - n
    of_a[:, : 2 * size] = of_z[:, : 2 * size]
    np.multiply(of_n, r, out=of_a[:, 2 * size :])
    return of_z, of_a


def gru_gates_gradient(q: Any, gates: Any) -> tuple[Any, Any]:
    """The gradients of z and a in `gru`, given q, that of the gates.  Array or Tensor."""
    (r, u, n, m), (gr, gu, gn, gm) = blocks(gates, 4), blocks(q, 4)
    gn = gn * (1.0 - n * n)
    both = (gn * m + gr) * (r * (1.0 - r)), gu * (u * (1.0 - u))
    return np.concatenate((*both, gn), axis=1), np.concatenate((*both, gn * r + gm), axis=1)


def times(slopes: Any, k: Any) -> Any:
    """Each block of columns times k.  Array or Tensor; an array is overwritten."""
    rows, size = k.shape
    parts = slopes.reshape((rows, slopes.shape[1] // size, size))
    if slopes.__class__ is not np.ndarray:
        return (parts * np.expand_dims(k, 1)).reshape(slopes.shape)
    parts *= k[:, None]
    return slopes


def blocks(x: Any, count: int) -> list[Any]:
    """The columns of x as blocks of equal width.  Array or Tensor."""
    size = x.shape[1] // count
    return [x[:, start : start + size] for start in range(0, count * size, size)]
