"""Recurrent cells."""

from ..arrays.gates import lstm, lstm_gradient
from ..arrays.products import multiply, product
from ..arrays.sums import sum_along
from ..engine.function import Primitive


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

    def forward(self, x, h, c, w, v, b, d):
        z = product(x, w.T)
        z += product(h, v.T)
        for bias in (b, d):
            if bias is not None:
                z += bias
        return lstm(z, c)

    def backward(self, g, y, x, h, c, w, v, b, d):
        needs, (of_h, of_c, of_gates) = self.needs, g
        gz, gc = lstm_gradient(of_h, of_c, of_gates, y[2], c)
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
