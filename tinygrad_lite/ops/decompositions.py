"""Factorisations of matrices (..., n, m); several results come as a tuple.

The factors of a matrix are not unique.  Eigenvectors and singular vectors may change their sign,
and where two eigenvalues or singular values are equal, their vectors may be rotated in their plane.
There they have no derivative, and the rules give inf or nan, as PyTorch's do.
"""

import numpy as np

from ..arrays.recorded import whole
from ..engine.function import Primitive
from .linalg import Inv, Solve


class Cholesky(Primitive):
    """y = lower triangular with y y^T = x, for symmetric positive definite x.

    The gradient of x is y^-T (P + P^T) y^-1 / 2.  P is the lower triangle of y^T g with its
    diagonal halved.  The gradient is symmetric, though only the lower triangle of x is read.

    Errors: LinAlgError, a ValueError, for other x.
    Source: I. Murray, Differentiation of the Cholesky decomposition, 2016.
    """

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {
        "y": r"\operatorname{cholesky}(x), \text{ where } y \; y^{\top} = x",
        "x": (
            r"\frac{1}{2} y^{-\top} \; (\Phi + \Phi^{\top}) \; y^{-1}, "
            r"\text{ where } \Phi = \operatorname{tril}(\mu) - \frac{1}{2} I \odot \mu, "
            r"\mu = y^{\top} \; \bar{y}"
        ),
    }

    def forward(self, x):
        return cholesky(x)

    def backward(self, g, y, x):
        size, inverse = y.shape[-1], Inv.apply(y)
        lower = np.tri(size, dtype=y.dtype) - np.eye(size, dtype=y.dtype) * 0.5
        half = (y.mT @ g) * (lower * 0.5)
        return (inverse.mT @ (half + half.mT) @ inverse,)


class QR(Primitive):
    """y = q, r with q r = x: q^T q = 1, r upper triangular; for x (..., n, m) with n >= m.

    The gradient of x is (gq + q S) r^-T.  S is symmetric with the lower triangle of
    r gr^T - gq^T q.  Dependent columns make r singular: LinAlgError in backward.

    Source: S. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions, 2013,
    section 4.2.
    """

    __slots__ = ()
    reads = {"x": ("y",)}
    results = ("q", "r")
    fresh = True
    latex = {
        "q": r"\text{orthonormal columns, with } q \; r = x",
        "r": r"\text{upper triangular, with } q \; r = x",
        "x": (
            r"(\bar{q} + q \; \Sigma) \; r^{-\top}, \text{ where } "
            r"\Sigma = \operatorname{tril}(\mu) + \operatorname{tril}(\mu, -1)^{\top}, "
            r"\mu = r \; \bar{r}^{\top} - \bar{q}^{\top} \; q"
        ),
    }

    def forward(self, x):
        return np.linalg.qr(x)

    def backward(self, g, y, x):
        (gq, gr), (q, r) = g, y
        inner = 0.0 if gr is None else r @ gr.mT
        if gq is not None:
            inner = inner - gq.mT @ q
        lower = np.tri(r.shape[-1], dtype=r.dtype)
        turned = q @ (inner * lower + (inner * (lower - np.eye(r.shape[-1], dtype=r.dtype))).mT)
        if gq is not None:
            turned = gq + turned
        return (Solve.apply(r, turned.mT, name="qr, backward").mT,)


class SVD(Primitive):
    """y = u, s, vh with u diag(s) vh = x: u^T u = 1, vh vh^T = 1, s >= 0 descending; reduced.

    The gradient of x is u diag(gs) vh if only s is used, even for equal singular values.  In
    general, with S = diag(s), v = vh^T, E_ij = s_j^2 - s_i^2 and skew(a) = a - a^T, it is

        u [diag(gs) + skew(u^T gu) / E S + S skew(v^T gv) / E] v^T
            + (1 - u u^T) gu S^-1 v^T + u S^-1 gv^T (1 - v v^T)

    Source: J. Townsend, Differentiating the singular value decomposition, 2016.
    """

    __slots__ = ()
    reads = {"x": ("y",)}
    results = ("u", "s", "vh")
    fresh = True
    latex = {
        "u": r"\text{the left singular vectors of } x, \text{ as columns}",
        "s": r"\text{the singular values of } x, \text{ descending}",
        "vh": r"\text{the right singular vectors of } x, \text{ as rows}",
        "x": (
            r"u \; (\operatorname{diag}(\bar{s}) "
            r"+ (F \odot \operatorname{skew}(u^{\top} \; \bar{u})) \; S "
            r"+ S \; (F \odot \operatorname{skew}(v^{\top} \; \bar{v}))) \; v^{\top} "
            r"+ (I - u \; u^{\top}) \; \bar{u} \; S^{-1} \; v^{\top} "
            r"+ u \; S^{-1} \; \bar{v}^{\top} \; (I - v \; v^{\top}), "
            r"\text{ where } S = \operatorname{diag}(s), "
            r"v = \mathrm{vh}^{\top}, \bar{v} = \bar{\mathrm{vh}}^{\top}, "
            r"F_{i, j} = \frac{1}{s_{j}^{2} - s_{i}^{2}}, F_{i, i} = 0, "
            r"\operatorname{skew}(a) = a - a^{\top}"
        ),
    }

    def forward(self, x):
        return svd(x)

    def backward(self, g, y, x):
        (gu, gs, gvh), (u, s, vh) = g, y
        row, column = s[..., None, :], s[..., :, None]
        identity = np.eye(s.shape[-1], dtype=s.dtype)
        gaps = (row - column) * (row + column) + identity
        inner = 0.0 if gs is None else gs[..., None, :] * identity
        outside = 0.0
        if gu is not None:
            turn = u.mT @ gu
            inner = inner + (turn - turn.mT) / gaps * row
            if u.shape[-2] > s.shape[-1]:
                outside = ((gu - u @ turn) / row) @ vh
        if gvh is not None:
            turn = vh @ gvh.mT
            inner = inner + column * ((turn - turn.mT) / gaps)
            if vh.shape[-1] > s.shape[-1]:
                outside = outside + (u / row) @ (gvh - turn.mT @ vh)
        return (u @ inner @ vh + outside,)


class Eigh(Primitive):
    """y = w, v with v diag(w) v^T = x: v^T v = 1, w ascending; for symmetric x.

    The gradient of x is v diag(gw) v^T if only w is used, even for equal eigenvalues.  In general,
    with E_ij = w_j - w_i and skew(a) = a - a^T, it is v [diag(gw) + skew(v^T gv) / (2 E)] v^T.  It
    is symmetric, though only the lower triangle of x is read.

    Source: M. Giles, An extended collection of matrix derivative results, 2008, section 3.1.
    """

    __slots__ = ()
    reads = {"x": ("y",)}
    results = ("w", "v")
    fresh = True
    latex = {
        "w": r"\text{the eigenvalues of } x, \text{ ascending}",
        "v": r"\text{the eigenvectors of } x, \text{ as columns}",
        "x": (
            r"v \; (\operatorname{diag}(\bar{w}) "
            r"+ \frac{1}{2} F \odot \operatorname{skew}(v^{\top} \; \bar{v})) \; v^{\top}, "
            r"\text{ where } F_{i, j} = \frac{1}{w_{j} - w_{i}}, F_{i, i} = 0, "
            r"\operatorname{skew}(a) = a - a^{\top}"
        ),
    }

    def forward(self, x):
        return eigh(x)

    def backward(self, g, y, x):
        (gw, gv), (w, v) = g, y
        identity = np.eye(w.shape[-1], dtype=w.dtype)
        inner = 0.0 if gw is None else gw[..., None, :] * identity
        if gv is not None:
            turn = v.mT @ gv
            gaps = w[..., None, :] - w[..., :, None] + identity
            inner = inner + (turn - turn.mT) / (gaps * 2.0)
        return (v @ inner @ v.mT,)


@whole
def cholesky(x):
    """np.linalg.cholesky(x), with our error."""
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        raise np.linalg.LinAlgError(
            "cholesky: a matrix is not positive definite; if it is x @ x.mT and fails only by "
            "rounding, add a little to its diagonal: + 1e-6 * np.eye(n)"
        ) from None


@whole
def svd(x):
    """np.linalg.svd(x, full_matrices=False), with our error."""
    try:
        return np.linalg.svd(x, full_matrices=False)
    except np.linalg.LinAlgError:
        raise not_finite("svd") from None


@whole
def eigh(x):
    """np.linalg.eigh(x), with our error."""
    try:
        return np.linalg.eigh(x)
    except np.linalg.LinAlgError:
        raise not_finite("eigh") from None


def not_finite(name):
    """The error for an iteration that did not converge, usually because of nan or inf."""
    return np.linalg.LinAlgError(f"{name}: it did not converge; does a matrix hold nan or inf?")
