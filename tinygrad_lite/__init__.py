"""An autograd engine on NumPy: tensors record a graph, and a backward pass finds gradients."""

import sys
from typing import TYPE_CHECKING, Any

from . import files, mistakes, ops
from .arrays import arguments as arguments
from .arrays import generator as generator
from .arrays import locks as locks
from .arrays import recorded as recorded
from .arrays.locks import imported
from .arrays.ownership import shares_memory
from .arrays.threads import parallel
from .displaying import notebook_bundle
from .engine.function import Function
from .engine.recording import Observer, is_grad_enabled, no_grad
from .engine.recording import grad_on as enable_grad
from .mistakes import TrainingWarning
from .other_names import hint
from .source_lines import record_source_lines, warn
from .tensor import Tensor

if TYPE_CHECKING:
    from .capturing import capture
    from .check import GradientError, gradcheck, gradgradcheck
    from .checkpointing import checkpoint
    from .derivatives import grad, hessian, hvp, jacobian, jvp, vjp
    from .show import cost, draw, draw_on_error, explain, keep_values, profile, trace_nan

__version__ = "0.1.0"

__all__ = [
    "Function",
    "GradientError",
    "Observer",
    "Tensor",
    "TrainingWarning",
    "arguments",
    "capture",
    "checkpoint",
    "cost",
    "draw",
    "draw_on_error",
    "enable_grad",
    "explain",
    "files",
    "generator",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "keep_values",
    "locks",
    "mistakes",
    "no_grad",
    "notebook_bundle",
    "ops",
    "parallel",
    "profile",
    "record_source_lines",
    "recorded",
    "shares_memory",
    "trace_nan",
    "vjp",
    "warn",
]

# Modules that training does not need are imported when they are first used: with the parts of the
# standard library that they need, their import takes a third as long as that of all the others.
_LATER = {
    **dict.fromkeys(("GradientError", "gradcheck", "gradgradcheck"), "check"),
    "capture": "capturing",
    "checkpoint": "checkpointing",
    **dict.fromkeys(("cost", "draw", "draw_on_error", "explain"), "show"),
    **dict.fromkeys(("keep_values", "profile", "trace_nan"), "show"),
    **dict.fromkeys(("grad", "hessian", "hvp", "jacobian", "jvp", "vjp"), "derivatives"),
}


def __getattr__(name: str) -> Any:
    """A public name that is used for the first time."""
    if name not in _LATER:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}{hint(name, Tensor)}",
            name=name,
            obj=sys.modules[__name__],
        )
    found = globals()[name] = getattr(imported(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    """The names that are here, and those that are imported when first used."""
    return sorted({*globals(), *_LATER})
