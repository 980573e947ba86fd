"""Schedules: the learning rate as a function of the step.

    schedule = nn.optim.schedules.cosine(0.1, steps=1000)
    for step in range(1000):
        optimizer.lr = schedule(step)
        ...

A schedule remembers nothing: the same step gives the same rate, in any order, so that a run that
was cut off continues where it was.  The step is any number from 0 up, whole or not, or an array of
steps, to draw the curve.  What a step is, a batch or an epoch, is the caller's choice.  A momentum
follows a schedule in the same way.  Any function of the step is a schedule too:
`lambda step: 0.1 / (1 + step)`.  Only `reduce_on_plateau` has a state, since it looks at results.

The rates are those of PyTorch's schedulers, which multiply the last rate step by step; here each is
a formula in the step.
"""

from typing import NoReturn

from ..._other_names import SCHEDULES, missing

# isort: off
from .decay import constant  # perhaps lower at first
from .decay import linear  # warm-up, or decay
from .decay import step  # lower after every so many steps
from .decay import multi_step  # lower from each milestone on
from .decay import exponential  # lower after each step
from .decay import polynomial  # a power of the part that is left
from .decay import cosine  # half a cosine
from .cycles import warm_restarts  # half a cosine, again and again
from .cycles import cyclic  # a triangle, again and again
from .cycles import one_cycle  # one rise and one fall
from .cycles import one_cycle_momentum  # the momentum that goes with it
from .combined import scaled  # a function of your own
from .combined import sequential  # one schedule after the other
from .plateau import reduce_on_plateau  # the one with a state
from ._schedule import Schedule  # the base class, for your own schedules

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "cyclic",
    "exponential",
    "linear",
    "multi_step",
    "one_cycle",
    "one_cycle_momentum",
    "polynomial",
    "reduce_on_plateau",
    "scaled",
    "sequential",
    "step",
    "warm_restarts",
]


def __getattr__(name: str) -> NoReturn:
    """PyTorch's names, with what to write here."""
    raise missing(__name__, name, SCHEDULES)
