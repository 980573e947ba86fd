"""The normal distribution of vectors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, recorded

from ._arguments import Value, as_tensor, check, common_shape, one_of
from .continuous import HALF_LOG_2_PI
from .distribution import Distribution

MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


class MultivariateNormal(Distribution):
    """The normal distribution of vectors of length n, with any correlations.

    loc                (..., n), the mean
    covariance_matrix  (..., n, n), symmetric and positive definite
    precision_matrix   its inverse
    scale_tril         L, lower triangular with a diagonal above 0: covariance_matrix = L @ L.mT

    One of the three matrices is given, and L is computed from it.  The batch shapes of loc and the
    matrix broadcast.

    factor: L, of the batch shape of the matrix alone.
    """

    parameters = ("loc", *MATRICES)
    support = "numbers, no nan"
    has_rsample = True
    covariance_matrix: Tensor
    precision_matrix: Tensor
    scale_tril: Tensor

    def __init__(
        self,
        loc: Value,
        covariance_matrix: Value | None = None,
        precision_matrix: Value | None = None,
        scale_tril: Value | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = dict(zip(MATRICES, (covariance_matrix, precision_matrix, scale_tril), strict=True))
        kind, matrix = one_of("MultivariateNormal", **given)
        mean = as_tensor("MultivariateNormal: loc", loc)
        square = as_tensor(f"MultivariateNormal: {kind}", matrix, mean.dtype)
        n = mean.shape[-1] if mean.ndim else 0
        if square.shape[-2:] != (n, n):
            raise ValueError(
                f"MultivariateNormal: expected a loc of shape (..., n) and a {kind} of shape "
                f"(..., n, n); got {mean.shape} and {square.shape}"
            )
        batch = common_shape("MultivariateNormal", loc=mean.shape[:-1], matrix=square.shape[:-2])
        super().__init__(batch, (n,), validate_args)
        if self.validate_args:
            check("MultivariateNormal: loc", mean.data, mean.data == mean.data, "numbers, no nan")
            _check_matrix(kind, square.data)
        self.loc = mean.expand(*batch, n)
        setattr(self, kind, square.expand(*batch, n, n))
        self.factor = _lower_factor(kind, square)

    def __getattr__(self, name: str) -> Tensor:
        """Those of the three matrices that were not given."""
        if name not in MATRICES or "factor" not in vars(self):
            raise AttributeError(f"MultivariateNormal has no attribute {name!r}", name=name)
        matrix = self.factor
        if name == "covariance_matrix":
            matrix = matrix @ matrix.mT
        elif name == "precision_matrix":
            inverse = matrix.solve_triangular(_identity_like(matrix), upper=False)
            matrix = inverse.mT @ inverse
        return matrix.expand(*self.batch_shape, *matrix.shape[-2:])

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance matrix."""
        return self.factor.square().sum(-1).expand(self.loc.shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """loc + L @ noise."""
        noise = Tensor.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + _times(self.factor, noise)

    def log_prob(self, value: Value) -> Tensor:
        """-|L^-1 (value - loc)|^2 / 2 - log(det(L)) - n log(2 pi) / 2."""
        x = self._value("log_prob", value)
        squares = solved(self.factor, x - self.loc).square().sum(-1)
        return squares * -0.5 - self.half_log_det() - HALF_LOG_2_PI * self.event_shape[0]

    def entropy(self) -> Tensor:
        """n (1 + log(2 pi)) / 2 + log(det(L))."""
        entropy = self.half_log_det() + (0.5 + HALF_LOG_2_PI) * self.event_shape[0]
        return entropy.expand(self.batch_shape)

    def half_log_det(self) -> Tensor:
        """log(det(L)), half of that of the covariance matrix."""
        return self.factor.diagonal(axis1=-2, axis2=-1).log().sum(-1)


def solved(factor: Tensor, x: Tensor) -> Tensor:
    """L^-1 x for each vector; (..., n, n) and (..., n).  One matrix solves all vectors at once."""
    if factor.ndim == 2 and x.ndim > 1:
        rows = x.reshape(-1, x.shape[-1])
        return factor.solve_triangular(rows.T, upper=False).T.reshape(x.shape)
    return factor.solve_triangular(x.unsqueeze(-1), upper=False).squeeze(-1)


def _times(factor: Tensor, x: Tensor) -> Tensor:
    """L x for each vector."""
    if factor.ndim == 2:
        return x @ factor.T
    return (factor @ x.unsqueeze(-1)).squeeze(-1)


def _lower_factor(kind: str, matrix: Tensor) -> Tensor:
    """L for one of the three matrices."""
    if kind == "scale_tril":
        return matrix
    if kind == "covariance_matrix":
        return matrix.cholesky()
    # P = U U^T with U upper triangular, the factor of P in reverse order; so L = U^-T.
    upper = matrix.flip(-2, -1).cholesky().flip(-2, -1)
    return upper.mT.solve_triangular(_identity_like(matrix), upper=False)


def _identity_like(matrix: Tensor) -> Tensor:
    """The identity matrix in the shape and dtype of the matrix."""
    return Tensor.eye(matrix.shape[-1], dtype=matrix.dtype).expand(matrix.shape)


@recorded.check
def _check_matrix(kind: str, values: NDArray[Any]) -> None:
    """Raise unless L can be computed from the matrix."""
    name = f"MultivariateNormal: {kind}"
    if kind == "scale_tril":
        diagonal = np.diagonal(values, axis1=-2, axis2=-1)
        if not (np.triu(values, 1) == 0).all() or not (diagonal > 0).all():
            raise ValueError(f"{name}: expected 0 above the diagonal, and the diagonal above 0")
    elif not np.allclose(values, values.mT, rtol=1e-6, atol=1e-6):
        raise ValueError(f"{name}: expected a symmetric matrix; write (a + a.mT) / 2")
    elif not (np.linalg.eigvalsh(values.astype(np.float64)) > 0).all():
        raise ValueError(f"{name}: expected a positive definite matrix, with eigenvalues above 0")
