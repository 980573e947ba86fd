"""Rows of the primitives in tinygrad_lite/ops/recurrent.py."""

import numpy as np

from tinygrad_lite.ops import recurrent

from .case import Case


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(x, h, c, w, v, b=0.0, d=0.0):
    """h', c', and what the gates let through."""
    i, f, g, o = np.split(x @ w.T + h @ v.T + b + d, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    new = f * c + i * g
    return o * np.tanh(new), new, np.concatenate((i, f, g, o), axis=1)


def apply(*inputs):
    return recurrent.LSTMCell.apply(*inputs, *[None] * (7 - len(inputs)))


def shapes(rows, features, units, biases=2):
    state, gates = (rows, units), 4 * units
    return (rows, features), state, state, (gates, features), (gates, units), *[(gates,)] * biases


BOTH = [shapes(2, 3, 2), shapes(1, 1, 1), shapes(9, 2, 1), shapes(0, 3, 2)]


def joined(h, c, a):
    """A mixture that each result has a share in."""
    return np.concatenate((h * c, a * a), axis=1)


def through(step, sizes, backwards, z, *states):
    """The results of all rows: step(z, *states) for each, sequence by sequence."""
    ends = np.cumsum(sizes)
    found = [None] * len(z)
    for row in range(sizes[0]):
        rows = [end - size + row for end, size in zip(ends, sizes, strict=True) if row < size]
        now = [state[row] for state in states]
        for at in reversed(rows) if backwards else rows:
            found[at] = step(z[at], *now)
            now = found[at][: len(now)]
    return [np.stack(rows) for rows in zip(*found, strict=True)]


def rnn(sizes, backwards, z, h, v, relu=False):
    def step(z, h):
        return (np.maximum(z + v @ h, 0) if relu else np.tanh(z + v @ h),)

    return through(step, sizes, backwards, z, h)


def lstm(sizes, backwards, z, h, c, v, p=None):
    def step(z, h, c):
        i, f, g, o = np.split(z + v @ h, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        h = o * np.tanh(new)
        return h if p is None else p @ h, new, np.concatenate((i, f, g, o))

    return through(step, sizes, backwards, z, h, c)


def gru(sizes, backwards, z, h, v, d=0.0):
    def step(z, h):
        (zr, zu, zn), (ar, au, an) = np.split(z, 3), np.split(v @ h + d, 3)
        r, u = sigmoid(zr + ar), sigmoid(zu + au)
        n = np.tanh(zn + r * an)
        return (1 - u) * n + u * h, np.concatenate((r, u, n, an))

    return through(step, sizes, backwards, z, h)


def together(results):
    """All results side by side, so bent that no second derivative is 0."""
    results = results if isinstance(results, (list, tuple)) else [results]
    return np.concatenate([result * (0.5 * result + 1.0) for result in results], axis=1)


def first(results):
    return results[0] if isinstance(results, (list, tuple)) else results


# Rows of each step, whether the last one is computed first, and what is made of the results.
RAGGED = [((2, 1), False, together), ((2, 1, 1), True, together)]
EVERY = [
    *RAGGED,
    ((2, 2), False, together),
    ((1, 1, 1), True, together),
    ((1,), True, together),
    ((2, 1), False, first),
]
# For the smallest step only: what a second derivative costs grows with the square.
LONGER = [
    ((3, 2, 1), False, together),
    ((2, 2, 1), True, together),
    ((1, 1, 1, 1, 1), True, together),
]


def of_sequences(op, reference, shapes, ways=EVERY, missing=0, note="", **options):
    """Rows of a primitive over sequences.  missing: how many of its last inputs are None."""
    return [
        Case(
            op,
            lambda *x, way=way, take=take: take(
                op.apply(*x, *[None] * missing, sizes=way[0], backwards=way[1], **options)
            ),
            lambda *x, way=way, take=take: take(reference(*way, *x)),
            [tuple(shapes(sum(way[0]), way[0][0], 2))],
            note=f"{note} {'backwards' if way[1] else 'forward'} {way[0]} {take.__name__}",
        )
        for *way, take in ways
    ]


def positive_rnn(*x):
    return rnn(*x, relu=True)


def of_rnn(rows, n, h):
    return (rows, h), (n, h), (h, h)


def of_lstm(rows, n, h):
    return (rows, 4 * h), (n, h), (n, h), (4 * h, h)


def of_projected_lstm(rows, n, h):
    return (rows, 4 * h), (n, 3), (n, h), (4 * h, 3), (3, h)


def of_gru(rows, n, h):
    return (rows, 3 * h), (n, h), (3 * h, h)


def of_biased_gru(rows, n, h):
    return *of_gru(rows, n, h), (3 * h,)


CASES: list[Case] = [
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[0],
        lambda *inputs: cell(*inputs)[0],
        BOTH,
        note="h",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[1],
        lambda *inputs: cell(*inputs)[1],
        BOTH,
        note="c",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[2],
        lambda *inputs: cell(*inputs)[2],
        BOTH,
        note="the gates",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: joined(*apply(*inputs)),
        lambda *inputs: joined(*cell(*inputs)),
        [shapes(2, 3, 2), shapes(9, 2, 1)],
        note="all results",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: joined(*apply(*inputs)),
        lambda *inputs: joined(*cell(*inputs)),
        [shapes(2, 3, 2, biases=0), shapes(2, 3, 2, biases=1)],
        note="fewer biases",
    ),
    *of_sequences(recurrent.RNN, rnn, of_rnn, [*EVERY, *LONGER]),
    *of_sequences(recurrent.RNN, positive_rnn, of_rnn, RAGGED, note="relu", relu=True),
    *of_sequences(recurrent.LSTM, lstm, of_lstm, missing=1),
    *of_sequences(recurrent.LSTM, lstm, of_projected_lstm, RAGGED, note="projected"),
    *of_sequences(recurrent.GRU, gru, of_biased_gru),
    *of_sequences(recurrent.GRU, gru, of_gru, RAGGED, missing=1, note="without a bias"),
]
