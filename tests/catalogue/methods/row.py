"""One row of the table of Tensor's methods, and one of the table of wrong calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from cases.case import ONE, Domain, Shapes, away_from_zero


@dataclass(frozen=True)
class Row:
    """One way to call a public method of Tensor.

    method      its name
    call        the call, on tensors; it gives a tensor or a tuple of them
    reference   the same on arrays, by NumPy or a formula: nothing of ours
    shapes      the inputs' shapes, one tuple of shapes for each variant
    domain      makes an input of a shape: random numbers away from corners
    torch       the same by PyTorch, whose module is its first argument; by default the call itself,
                which parity/peer.py runs on PyTorch's tensors; None where PyTorch has no such
                function, or another meaning, which `note` then says
    kinds       which inputs it takes: "f" floats, "i" int64, "b" bool.  For "i" and "b" values and
                dtypes are compared, for "f" gradients as well
    constant    whether the result carries no gradient, as that of argmax
    casts       whether the result may have another dtype than a float input
    rtol        relative error allowed in float64
    note        what sets this row apart from others of the method
    """

    method: str
    call: Callable[..., Any]
    reference: Callable[..., Any]
    shapes: Sequence[Shapes] = ONE
    domain: Domain = away_from_zero
    torch: Callable[..., Any] | Literal["the same call"] | None = "the same call"
    kinds: str = "f"
    constant: bool = False
    casts: bool = False
    rtol: float = 1e-13
    note: str = ""

    def inputs(self, variant: Shapes, dtype: Any = np.float64) -> list[np.ndarray]:
        """Fresh inputs, the same for every call; integers are scaled to -5 .. 5."""
        rng = np.random.default_rng(len(variant) + sum(sum(shape) for shape in variant))
        drawn = [np.asarray(self.domain(rng, shape)) for shape in variant]
        kind = np.dtype(dtype).kind
        if kind == "i":
            drawn = [np.trunc(values * 3) for values in drawn]
        elif kind == "b":
            drawn = [values > 0.6 for values in drawn]
        return [np.asarray(values, dtype) for values in drawn]

    @property
    def name(self) -> str:
        """For errors and ids of tests."""
        return f"{self.method}-{self.note}" if self.note else self.method


def function(
    method: str,
    reference: Callable[..., Any],
    shapes: Sequence[Shapes] = ONE,
    domain: Domain = away_from_zero,
    **settings: Any,
) -> Row:
    """The row of a method called with tensors alone: function("hypot", np.hypot, TWO)."""
    return Row(
        method,
        lambda x, *others: getattr(x, method)(*others),
        reference,
        shapes,
        domain,
        **settings,
    )


@dataclass(frozen=True)
class Mistake:
    """A wrong call, the error it raises, and the whole line that the error prints."""

    call: Callable[[], Any]
    error: type[Exception]
    line: str


def listed(results: Any) -> list[Any]:
    """A result, or several, as a list."""
    return list(results) if isinstance(results, (tuple, list)) else [results]
