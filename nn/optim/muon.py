"""Muon: the momentum of a matrix, made orthogonal."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments, recorded

from ..utils import get_total_norm
from ._formulas import largest
from .checks import Check, not_negative
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


def _three(value: Any, name: str) -> tuple[float, ...]:
    """Three numbers, as a tuple."""
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise arguments.wrong(name, "three numbers", value)
    return tuple(
        arguments.finite(each, f"{name}[{position}]") for position, each in enumerate(value)
    )


def _steps(value: Any, name: str) -> int:
    """An integer from 0 to 99."""
    steps = arguments.integer(value, name, least=0)
    if steps >= 100:
        raise ValueError(f"{name}: expected an integer below 100; got {steps}")
    return steps


def _adjustment(value: Any, name: str) -> str | None:
    """How the learning rate depends on the shape."""
    found: str | None = arguments.choice(value, name, None, "original", "match_rms_adamw")
    return found


class Muon(Optimizer):
    """The momentum of a matrix, made orthogonal: all its singular values become about 1.

        m = momentum * m + (1 - momentum) * gradient
        d = momentum * m + (1 - momentum) * gradient    without nesterov: m
        x = d / |d|, and then ns_steps times:           of the transpose, if there are more rows
            a = x @ x.T
            x = c0 x + (c1 a + c2 a @ a) @ x            (Newton-Schulz)
        parameter = parameter * (1 - lr * weight_decay) - lr * r * x

    m is state["momentum_buffer"], and c are `ns_coefficients`.  r is sqrt(max(1, rows / columns)),
    or 0.2 sqrt(max(rows, columns)) for adjust_lr_fn="match_rms_adamw", with which rates for AdamW
    fit.

    For the weights of hidden layers; train vectors, embeddings and the last layer with AdamW, in an
    optimiser of their own.  PyTorch rounds x to bfloat16; here it has the parameter's dtype.

    Errors: ValueError for a parameter that is no matrix.

    Sources: K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024;
    J. Liu et al., Muon is Scalable for LLM Training, 2025.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "momentum": not_negative,
        "nesterov": arguments.flag,
        "ns_coefficients": _three,
        "eps": not_negative,
        "ns_steps": _steps,
        "adjust_lr_fn": _adjustment,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
            check_finite=check_finite,
        )

    def check_group(self, group: Group) -> None:
        """Only matrices can be orthogonal."""
        for position, parameter in enumerate(group["params"]):
            if parameter.ndim != 2:
                raise ValueError(
                    f"Muon: expected matrices; parameter {position} has shape {parameter.shape}; "
                    "train it with AdamW, in an optimizer of its own"
                )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running mean of the gradient."""
        return ("momentum_buffer",)

    def numbers(self, group: Group) -> tuple[str, ...]:
        """None: the formula does not depend on the count of updates."""
        return ()

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """No numbers."""
        return {}

    def apply_whole(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one parameter."""
        if not parameter.size:
            return
        lr, momentum, mean = group["lr"], group["momentum"], state["momentum_buffer"]
        mean += (1 - momentum) * (gradient - mean)
        d = gradient + momentum * (mean - gradient) if group["nesterov"] else mean
        x = _orthogonal(d, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = parameter.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1.0, rows / columns))
        parameter *= 1 - lr * group["weight_decay"]
        parameter -= (lr * ratio) * x


@recorded.whole
def _norm(array: Array) -> float:
    """The root of the sum of squares."""
    return float(get_total_norm(Tensor.from_array(array)).item())


def _orthogonal(d: Array, coefficients: tuple[float, ...], steps: int, eps: float) -> Array:
    """About u @ v.T for d = u @ s @ v.T: the Newton-Schulz iteration on the shorter side."""
    x = d.T if d.shape[0] > d.shape[1] else d
    length = _norm(d)
    x = x / largest(length, eps, float(np.finfo(d.dtype).smallest_normal))
    c0, c1, c2 = coefficients
    for _ in range(steps):
        a = x @ x.T
        # a is symmetric: of a @ a.T, as of x @ x.T, BLAS computes one half only
        x = c0 * x + (c1 * a + c2 * (a @ a.T)) @ x
    return x.T if d.shape[0] > d.shape[1] else x
