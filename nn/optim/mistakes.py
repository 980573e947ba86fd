"""What a step notices of the training loop around it, and tells as a TrainingWarning."""

import weakref
from typing import Any

from numpy import ndarray

from tinygrad_lite import mistakes


class Steps:
    """The steps of one optimiser: whether the gradients were zeroed in between.

    One gradient stands for all: zeroing is a matter of the loop, not of a parameter.
    """

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used: weakref.ref[ndarray[Any, Any]] | None = None

    def note(self, gradient: ndarray[Any, Any]) -> None:
        """A step is about to use this gradient; a warning if it still holds that of the last."""
        if mistakes.is_reused(gradient, self.used):
            mistakes.tell(
                "step: the gradients still hold those that the last step used, since backward adds "
                "to what is there; call zero_grad() in each step, before backward()"
            )
        self.used = weakref.ref(gradient)
