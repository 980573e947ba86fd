"""check_finite=True: a step that would use or make an inf or nan raises, and changes nothing."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from tinygrad_lite import Tensor, mistakes

from .chunks import Array
from .updates import Due, apply


class FiniteSteps:
    """The steps of one optimiser that checks its gradients and its parameters.

    count  the steps that were done
    watch  finds the op that made a gradient inf or nan, in the backward pass
    """

    def __init__(self, optimiser: Any) -> None:
        owner = weakref.ref(optimiser)
        self.count = 0
        self.watch = mistakes.GradientWatch(lambda: getattr(owner(), "params", ()))

    def begin(self, optimiser: Any, updates: Sequence[Due], recording: Any) -> None:
        """Before a step: raise FloatingPointError if a gradient or a parameter is not finite."""
        tensors = [update.parameter for update in updates]
        parameters = [tensor.data for tensor in tensors]
        gradients = [update.gradient for update in updates]
        given = (optimiser, recording is not None, tensors, parameters, gradients)
        if recording is None:
            check(*given)
        else:  # a replay in which it raises is done eagerly instead, if nothing has changed yet
            recording.call_whole(check, given, {}, always=True, checks=True)

    def apply(
        self,
        optimiser: Any,
        formula: Callable[..., None],
        whole: bool,
        updates: Sequence[Due],
        parameters: Sequence[Array],
        gradients: Sequence[Array],
    ) -> None:
        """`updates.apply`, undone if a parameter is not finite then: FloatingPointError."""
        states = [dict(update.state) for update in updates]
        kept = [one for state in states for one in state.values() if isinstance(one, np.ndarray)]
        saved = [(array, array.copy()) for array in (*parameters, *kept)]
        apply(optimiser, formula, whole, updates, parameters, gradients)
        tensors = [update.parameter for update in updates]
        error = self.finish(optimiser, tensors, parameters, saved)
        if error is not None:
            for update, state in zip(updates, states, strict=True):
                update.state.clear()
                update.state.update(state)
            raise error

    def finish(
        self,
        optimiser: Any,
        tensors: Sequence[Tensor],
        parameters: Sequence[Array],
        saved: Sequence[tuple[Array, Array]],
    ) -> FloatingPointError | None:
        """Count the step; or, if a parameter is not finite, restore all that was `saved`.

        Returns the error for that parameter.

        saved: arrays, and their copies from before the step
        """
        bad = next((i for i, array in enumerate(parameters) if not is_finite(array)), None)
        if bad is None:
            self.count += 1
            return None
        at, number = first(parameters[bad])
        for array, copy in saved:
            array[...] = copy
        gradient, lr = tensors[bad].grad, optimiser.param_groups[0].get("lr")
        slope = "" if gradient is None else f" with the gradient {gradient.data[at]:.6g}"
        rate = "" if lr is None else f" and lr={lr:g}, which is likely too high"
        return FloatingPointError(
            f"{type(optimiser).__name__}: step {self.count + 1} would make "
            f"{name_of(optimiser, tensors[bad])} {number}{place(at)}, from "
            f"{parameters[bad][at]:.6g}{slope}{rate}; no parameter was changed"
        )


def check(
    optimiser: Any,
    captured: bool,
    tensors: Sequence[Tensor],
    parameters: Sequence[Array],
    gradients: Sequence[Array],
) -> None:
    """Raise FloatingPointError if one of these arrays is not finite.

    captured: whether this is a replay, in which no graph shows the cause
    """
    cause = optimiser.finiteness.watch.taken()
    for tensor, parameter, gradient in zip(tensors, parameters, gradients, strict=True):
        if not is_finite(parameter):
            why = "no step of this optimizer made it so; look at what else writes into it"
            refuse(optimiser, tensor, "", parameter, why)
        if not is_finite(gradient):
            if cause is not None and cause.found:
                why = cause.summary()
            elif cause is not None:
                why = "the graph makes none: look at hooks, and at what else writes into .grad"
            elif captured:
                why = "call the function itself, without capture, to be told which op made it"
            else:
                why = "call trace_nan(loss) before backward, to be told which op made it"
            refuse(optimiser, tensor, "the gradient of ", gradient, why)


def refuse(optimiser: Any, tensor: Tensor, of: str, array: Any, why: str) -> NoReturn:
    """The error for a gradient or a parameter that is not finite."""
    at, number = first(array)
    raise FloatingPointError(
        f"{type(optimiser).__name__}: in step {optimiser.finiteness.count + 1}, "
        f"{of}{name_of(optimiser, tensor)} is {number}{place(at)}; no parameter was changed; {why}"
    )


def is_finite(array: Any) -> bool:
    """Whether all elements are finite."""
    return bool(np.isfinite(array).all())


def first(array: Any) -> tuple[tuple[int, ...], str]:
    """The index of the first element that is nan or, if there is none, inf; and the number."""
    array = np.asarray(array)
    nans = np.isnan(array)
    flat = int(np.argmax(nans if nans.any() else ~np.isfinite(array)))
    at = tuple(int(i) for i in np.unravel_index(flat, array.shape)) if array.shape else ()
    return at, str(float(array[at]))


def place(at: tuple[int, ...]) -> str:
    """The index in words."""
    return f" at {at}" if at else ""


def name_of(optimiser: Any, tensor: Tensor) -> str:
    """The name of a parameter if it came with one, else its position and shape."""
    position = 0
    for group in optimiser.param_groups:
        names = group.get("param_names", ())
        for number, parameter in enumerate(group["params"]):
            if parameter is tensor:
                shape = f"of shape {tensor.shape},"
                known = number < len(names)
                return f"{names[number]}, {shape}" if known else f"parameter {position}, {shape}"
            position += 1
    return "a parameter"
