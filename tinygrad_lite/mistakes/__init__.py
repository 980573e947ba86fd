"""The mistakes that everyone makes: what notices one, and how it is told.

telling            `TrainingWarning`, and `tell`, which gives one for each line of the user's
lost               a tensor computed from weights that nobody holds
data_writes        `w.data += 1` between forward and backward
kept_graphs        something keeps the graph of every step alive: `total += loss`
missing_gradients  `.grad` of what is no leaf: `w = w - lr * w.grad`
broadcasts         a loss of (N, 1) and (N,), which are (N, N) together
updates_by_hand    gradients that a loop without an optimiser never zeroes
losses             a loss that turns inf or nan, and what made it so
gradient_watch     what made a gradient inf or nan, for an optimiser that refuses it
unreached          weights on which the loss depends, and which get no gradient
instructions       what the user's code is doing where a mistake is suspected
"""

from ..arrays.reused import is_reused, sums
from .gradient_watch import GradientWatch
from .losses import trial
from .lost import is_lost
from .telling import TrainingWarning, tell
from .unreached import Unreached

__all__ = [
    "GradientWatch",
    "TrainingWarning",
    "Unreached",
    "is_lost",
    "is_reused",
    "sums",
    "tell",
    "trial",
]
