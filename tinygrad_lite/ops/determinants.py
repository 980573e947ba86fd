"""Determinants of square matrices (..., n, n)."""

from math import prod

import numpy as np

from ..arrays.sums import sum_along
from ..engine.function import Primitive
from .decompositions import SVD
from .linalg import Inv
from .reduce import product_of_others


class Det(Primitive):
    """y = det(x).  dy/dx_ij = the cofactor of x_ij: exact for singular matrices too."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\det(x)", "x": r"\bar{y} \odot \operatorname{cofactor}(x)"}

    def forward(self, x):
        return np.linalg.det(x)

    def backward(self, g, y, x):
        return (g[..., None, None] * Cofactor.apply(x),)


class Cofactor(Primitive):
    """y_ij = (-1)^(i + j) det(x without row i and column j) = d det(x) / d x_ij.

    det(x) times x^-T would be nan or wrong for singular matrices.  With the singular value
    decomposition x = u diag(s) v^T,

        y = det(u v^T) u diag(c) v^T,    c_i = product of all s but s_i,

    since the cofactors of a product are the product of the cofactors.

    The derivative follows from the cofactors of diag(s) + t m to first order in t.  With p_ij = the
    product of all s but s_i and s_j, those on the diagonal change by the sum over j of p_ij m_jj,
    the others by -p_ij m_ji.  It needs memory for n^3 numbers per matrix.
    """

    __slots__ = ("sign",)
    reads = {"x": ("x",)}
    fresh = True
    latex = {
        "y": (
            r"(-1)^{i + j} \det(x \text{ without row } i \text{ and column } j) "
            r"\text{ at each } i, j"
        ),
        "x": (
            r"\det(u \; v^{\top}) \, u \; "
            r"(\operatorname{diag}(\Pi \; \operatorname{diagonal}(\mu)) - \Pi \odot \mu^{\top}) "
            r"\; v^{\top}, \text{ where } u \; \operatorname{diag}(s) \; v^{\top} = x, "
            r"\mu = u^{\top} \; \bar{y} \; v, "
            r"\Pi_{i, j} = \prod_{k \ne i, k \ne j} s_{k}, \Pi_{i, i} = 0"
        ),
    }

    def forward(self, x):
        if not x.size:
            return np.zeros_like(x)
        finite = np.isfinite(x).all(axis=(-2, -1), keepdims=True)  # the SVD refuses nan
        u, s, vh = np.linalg.svd(np.where(finite, x, 0.0))
        self.sign = np.where(finite, np.sign(np.linalg.det(u @ vh))[..., None, None], np.nan)
        return (u * (product_of_others(s)[..., None, :] * self.sign)) @ vh

    def backward(self, g, y, x):
        if not prod(x.shape):
            return (np.zeros_like(x),)
        u, s, vh = SVD.apply(x)
        identity = np.eye(s.shape[-1], dtype=s.dtype)
        left_out = (identity[:, None, :] + identity[None, :, :]) > 0
        others = np.multiply.reduce(np.where(left_out, 1.0, s[..., None, None, :]), axis=-1)
        others = others * (1.0 - identity)
        turned = u.mT @ g @ vh.mT
        diagonal = sum_along(turned * identity, (turned.ndim - 1,))
        inner = (others @ diagonal[..., None]) * identity - others * turned.mT
        return ((u @ inner @ vh) * self.sign,)


class Slogdet(Primitive):
    """y = sign(det(x)), log(|det(x)|).  The gradient of x is g x^-T, with g for the logarithm.

    The sign is constant.  A singular matrix has sign 0 and logarithm -inf; in backward it raises
    LinAlgError.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    results = ("sign", "logarithm")
    fresh = True
    latex = {
        "sign": r"\operatorname{sign}(\det(x))",
        "logarithm": r"\log(\lvert \det(x) \rvert)",
        "x": r"\bar{\mathrm{logarithm}} \odot x^{-\top}",
    }

    def forward(self, x):
        return np.linalg.slogdet(x)

    def backward(self, g, y, x):
        _, g_logarithm = g
        if g_logarithm is None:
            return (None,)
        return (g_logarithm[..., None, None] * Inv.apply(x, name="slogdet, backward").mT,)
