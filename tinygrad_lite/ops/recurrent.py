"""Recurrent networks: one step of an LSTM, and whole sequences.

Of a sequence, z is the share of the inputs in all steps, computed before as one product.  Its rows
are those of the first step, then those of the second, ...; `sizes` are their numbers, of which none
is larger than the one before (a sequence that has ended has no row), and `backwards` says that the
last step is computed first.  h' and c' are the state before each step, at first the rows of h and c
that the step has.  How the steps are computed: arrays/through_time.py.
"""

import numpy as np

from ..arrays import through_time
from ..arrays.gates import blocks, lstm, lstm_gates_gradient, lstm_gradient, lstm_slopes
from ..arrays.products import multiply, product
from ..arrays.sums import sum_along
from ..engine.function import Primitive

# What the formulas are written with: the gates; the gradient of the sums z before them, as parts
# side by side; tau, the total gradient of c; eta, that of h.
_GATES = r"(i, f, g, o) = (\sigma, \sigma, \tanh, \sigma)(x \; w^{\top} + h \; v^{\top} + b + d)"
_TAU = (
    r"\tau = \bar{\mathrm{c\_next}} + \bar{\mathrm{h\_next}} \odot o \odot (1 - \theta^{2}), "
    r"\theta = \tanh(\mathrm{c\_next})"
)
_CELL = (
    r"\text{ where } \bar{z} = (\tau \odot g \odot i \odot (1 - i), \tau \odot c \odot f \odot "
    r"(1 - f), \tau \odot i \odot (1 - g^{2}), \bar{\mathrm{h\_next}} \odot \theta \odot o \odot "
    r"(1 - o)), " + _TAU
)
_ETA = (
    r"\eta_{t} = \bar{\mathrm{states}}_{t} + \bar{z}_{t + 1} \; v, "
    r"\theta_{t} = \tanh(\mathrm{cells}_{t})"
)
_LSTM = (
    r"\text{ where } \tau_{t} = \bar{\mathrm{cells}}_{t} + \omega_{t} \odot o_{t} \odot "
    r"(1 - \theta_{t}^{2}) + \tau_{t + 1} \odot f_{t + 1}, \omega_{t} = \eta_{t} \; p, " + _ETA
)
_GRU = (
    r"\text{ where } \eta_{t} = \bar{\mathrm{states}}_{t} + \eta_{t + 1} \odot u_{t + 1} "
    r"+ \alpha_{t + 1} \; v, \nu_{t} = \eta_{t} \odot (1 - u_{t}) \odot (1 - n_{t}^{2}), "
    r"\alpha_{t} = ((\bar{z}_{r})_{t}, (\bar{z}_{u})_{t}, \nu_{t} \odot r_{t})"
)


class LSTMCell(Primitive):
    """c' = f c + i g, h' = o tanh(c'), with (i, f, g, o) from z = x w^T + h v^T + b + d.

    One time step: i, f, o are the sigmoid of their quarters of z, and g is the tanh of its quarter.
    x: (N, in), h and c: (N, H), w: (4 H, in), v: (4 H, H), b and d: (4 H,) or None.  Results: h'
    and c', (N, H), and the gates i, f, g, o side by side, (N, 4 H), so that derivatives of every
    order can use them.

    dx = dz w, dh = dz v, dw = dz^T x, dv = dz^T h, and db = dd is the sum of dz over the rows.
    Given k, p, q, the gradients of h', c' and the gates, let t = tanh(c') and
    s = p + k o (1 - t^2), the total gradient of c'.  Then dc = s f, and dz is (s g, s c, s i, k t)
    + q times the slopes (i (1 - i), f (1 - f), 1 - g^2, o (1 - o)).

    One primitive: composed of 17, it would spend more time outside the products than in them.

    Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; f: F. Gers et al.,
    Learning to Forget, 2000.
    """

    __slots__ = ()
    results = ("h_next", "c_next", "gates")
    reads = {
        **dict.fromkeys(("c", "b", "d"), ("c", "gates")),
        "x": ("c", "w", "gates"),
        "h": ("c", "v", "gates"),
        "w": ("x", "c", "gates"),
        "v": ("h", "c", "gates"),
    }
    fresh = True
    latex = {
        "h_next": r"o \odot \tanh(\mathrm{c\_next}), \text{ where } " + _GATES,
        "c_next": r"f \odot c + i \odot g, \text{ where } " + _GATES,
        "gates": _GATES,
        "x": r"\bar{z} \; w, " + _CELL,
        "h": r"\bar{z} \; v, " + _CELL,
        "c": r"\tau \odot f, \text{ where } " + _TAU,
        "w": r"\bar{z}^{\top} \; x, " + _CELL,
        "v": r"\bar{z}^{\top} \; h, " + _CELL,
        "b": r"\sum_{\mathrm{rows}} \bar{z}, " + _CELL,
        "d": r"\sum_{\mathrm{rows}} \bar{z}, " + _CELL,
    }

    def forward(self, x, h, c, w, v, b, d):
        z = product(x, w.T)
        z += product(h, v.T)
        for bias in (b, d):
            if bias is not None:
                z += bias
        return lstm(z, c)

    def backward(self, g, y, x, h, c, w, v, b, d):
        needs, (of_h, of_c, of_gates), gates = self.needs, g, y[2]
        i, f, candidate, _ = blocks(gates, 4)
        t = np.tanh(i * candidate + f * c)  # computed again, so that h' and c' need not be saved
        gz, gc = lstm_gradient(of_h, of_c, *lstm_slopes(gates, c, t), f)
        if of_gates is not None:
            gz = gz + lstm_gates_gradient(of_gates, gates)
        gb = gd = None
        if needs[5] or needs[6]:
            gb = sum_along(gz, (0,))
            gd = gb * 1.0 if needs[6] else None  # two gradients never share memory
        return (
            product(gz, w) if needs[0] else None,
            product(gz, v) if needs[1] else None,
            gc,
            multiply(gz.mT, x) if needs[3] else None,
            multiply(gz.mT, h) if needs[4] else None,
            gb,
            gd,
        )


class _Sequence(Primitive):
    """The shared options: how many rows each step has, and which step is computed first."""

    __slots__ = ("steps",)
    fresh = True

    def __init__(self, sizes, backwards=False):
        self.steps = through_time.steps_of(sizes, backwards)


class RNN(_Sequence):
    """y = tanh(z + y' v^T), or relu(z + y' v^T) if `relu`: the states of all steps.

    z: (rows of all steps, H), h: (N, H), the first state, v: (H, H); y like z.

    With G, the total gradient of a state, dz = G (1 - y^2), or G where y > 0 for relu, and 0 at its
    corner.  The share of y' in its total is dz v; dv = dz^T y' over all steps.

    One primitive: composed, a step would be three, and its share in dv a product of its own.
    """

    __slots__ = ("relu",)
    reads = {**dict.fromkeys(("z", "h"), ("v", "y")), "v": ("h", "v", "y")}
    latex = {
        "y": (
            r"\begin{cases} \max(z_{t} + y_{t - 1} \; v^{\top}, 0) & \text{if } \mathrm{relu} \\ "
            r"\tanh(z_{t} + y_{t - 1} \; v^{\top}) & \text{otherwise} \end{cases} "
            r"\text{ at each step } t, \text{ where } y_{0} = h"
        ),
        "z": (
            r"\begin{cases} \gamma_{t} \odot [y_{t} > 0] & \text{if } \mathrm{relu} \\ "
            r"\gamma_{t} \odot (1 - y_{t}^{2}) & \text{otherwise} \end{cases} "
            r"\text{ at each step } t, \text{ where } "
            r"\gamma_{t} = \bar{y}_{t} + \bar{z}_{t + 1} \; v"
        ),
        "h": r"\bar{z}_{1} \; v",
        "v": r"\sum_{t} \bar{z}_{t}^{\top} \; y_{t - 1}, \text{ where } y_{0} = h",
    }

    def __init__(self, sizes, backwards=False, relu=False):
        super().__init__(sizes, backwards)
        self.relu = relu

    def forward(self, z, h, v):
        return through_time.rnn(z, h, v, self.steps, self.relu)

    def backward(self, g, y, z, h, v):
        gz, gh = through_time.rnn_gradient(g, y, v, self.steps, self.relu)
        if not self.needs[2]:
            return gz, gh, None
        return gz, gh, multiply(gz.mT, through_time.previous(h, y, self.steps))


class LSTM(_Sequence):
    """c = f c' + i g and h = o tanh(c), with (i, f, g, o) from z + h' v^T, of all steps.

    z: (rows of all steps, 4 H), h: (N, H) and c: (N, H), the first state, v: (4 H, H), p: None.
    With a projection p: (P, H), h = (o tanh(c)) p^T; then h has P columns, and so has v.  Results:
    h, c and the gates side by side, of all steps.

    dz of a step as in LSTMCell; the share of h' in its total gradient is dz v, that of c' is s f.
    dv = dz^T h' over all steps.  Of a projection, the gradient of o tanh(c) is G p, G being the
    total of h, and dp = G^T (o tanh(c)).

    One primitive: in a loop of LSTMCell the share of each step in dv, and in the weight of the
    inputs, would be a product of its own.

    Source: as LSTMCell; the projection: H. Sak et al., Long Short-Term Memory Based Recurrent
    Neural Network Architectures for Large Vocabulary Speech Recognition, 2014.
    """

    __slots__ = ()
    results = ("states", "cells", "gates")
    reads = {
        **dict.fromkeys(("z", "h", "c", "p"), ("c", "v", "p", "cells", "gates")),
        "v": ("h", "c", "v", "p", "states", "cells", "gates"),
    }
    latex = {
        "states": r"(o_{t} \odot \tanh(\mathrm{cells}_{t})) \; p^{\top} \text{ at each step } t",
        "cells": (
            r"f_{t} \odot \mathrm{cells}_{t - 1} + i_{t} \odot g_{t} \text{ at each step } t, "
            r"\text{ where } \mathrm{cells}_{0} = c"
        ),
        "gates": (
            r"(i_{t}, f_{t}, g_{t}, o_{t}) = (\sigma, \sigma, \tanh, \sigma)"
            r"(z_{t} + \mathrm{states}_{t - 1} \; v^{\top}) \text{ at each step } t, "
            r"\text{ where } \mathrm{states}_{0} = h"
        ),
        "z": (
            r"(\tau_{t} \odot g_{t} \odot i_{t} \odot (1 - i_{t}), "
            r"\tau_{t} \odot \mathrm{cells}_{t - 1} \odot f_{t} \odot (1 - f_{t}), "
            r"\tau_{t} \odot i_{t} \odot (1 - g_{t}^{2}), "
            r"\omega_{t} \odot \theta_{t} \odot o_{t} \odot (1 - o_{t})) "
            r"\text{ at each step } t, " + _LSTM
        ),
        "h": r"\bar{z}_{1} \; v",
        "c": r"\tau_{1} \odot f_{1}, " + _LSTM,
        "v": (
            r"\sum_{t} \bar{z}_{t}^{\top} \; \mathrm{states}_{t - 1}, "
            r"\text{ where } \mathrm{states}_{0} = h"
        ),
        "p": r"\sum_{t} \eta_{t}^{\top} \; (o_{t} \odot \theta_{t}), \text{ where } " + _ETA,
    }

    def forward(self, z, h, c, v, p):
        return through_time.lstm(z, h, c, v, p, self.steps)

    def backward(self, g, y, z, h, c, v, p):
        (of_h, of_c, of_gates), (states, cells, gates) = g, y
        gz, gh, gc, total = through_time.lstm_gradient(
            of_h, of_c, of_gates, c, cells, gates, v, p, self.steps
        )
        gv = gp = None
        if self.needs[3]:
            gv = multiply(gz.mT, through_time.previous(h, states, self.steps))
        if self.needs[4]:
            gp = multiply(total.mT, blocks(gates, 4)[3] * np.tanh(cells))
        return gz, gh, gc, gv, gp


class GRU(_Sequence):
    """h = n + u (h' - n), n = tanh(z_n + r m), with (r, u) from z + a, m = a_n, a = h' v^T + d.

    r and u are the sigmoid of the first two thirds of z + a; z_n and a_n are the last thirds.
    z: (rows of all steps, 3 H), h: (N, H), the first state, v: (3 H, H), d: (3 H,) or None.
    Results: h, and r, u, n and m side by side, of all steps.

    With G, the total gradient of h: dz_n = G (1 - u) (1 - n^2), dz_r = dz_n m r (1 - r) and
    dz_u = G (h' - n) u (1 - u); da is dz but for da_n = dz_n r.  The share of h' in its total is
    G u + da v; dv = da^T h' and dd = the sum of da, over all steps.

    One primitive, for the reasons of LSTM.

    Source: K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; r
    after the product, which is PyTorch's form: J. Chung et al., Empirical Evaluation of Gated
    Recurrent Neural Networks on Sequence Modeling, 2014.
    """

    __slots__ = ()
    results = ("states", "gates")
    reads = dict.fromkeys(("z", "h", "v", "d"), ("h", "v", "states", "gates"))
    latex = {
        "states": (
            r"n_{t} + u_{t} \odot (\mathrm{states}_{t - 1} - n_{t}) \text{ at each step } t, "
            r"\text{ where } \mathrm{states}_{0} = h"
        ),
        "gates": (
            r"(r, u, n, m) \text{ at each step } t, "
            r"\text{ where } r = \sigma(z_{r} + a_{r}), u = \sigma(z_{u} + a_{u}), "
            r"n = \tanh(z_{n} + r \odot m), m = a_{n}, "
            r"a = \mathrm{states}_{t - 1} \; v^{\top} + d, \mathrm{states}_{0} = h"
        ),
        "z": (
            r"(\nu_{t} \odot m_{t} \odot r_{t} \odot (1 - r_{t}), "
            r"\eta_{t} \odot (\mathrm{states}_{t - 1} - n_{t}) \odot u_{t} \odot (1 - u_{t}), "
            r"\nu_{t}) \text{ at each step } t, " + _GRU
        ),
        "h": r"\eta_{1} \odot u_{1} + \alpha_{1} \; v, " + _GRU,
        "v": r"\sum_{t} \alpha_{t}^{\top} \; \mathrm{states}_{t - 1}, " + _GRU,
        "d": r"\sum_{t, \mathrm{rows}} \alpha_{t}, " + _GRU,
    }

    def forward(self, z, h, v, d):
        return through_time.gru(z, h, v, d, self.steps)

    def backward(self, g, y, z, h, v, d):
        (of_h, of_gates), (states, gates) = g, y
        gz, ga, gh, before = through_time.gru_gradient(
            of_h, of_gates, h, states, gates, v, self.steps
        )
        return (
            gz,
            gh,
            multiply(ga.mT, before) if self.needs[2] else None,
            sum_along(ga, (0,)) if self.needs[3] else None,
        )
