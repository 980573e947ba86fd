"""The mistakes that everyone makes: what notices one, and how it is told.

telling            `TrainingWarning`, and `tell`, which gives one for each line of the user's
lost               a tensor computed from weights that nobody holds
kept_graphs        something keeps the graph of every step alive: `total += loss`
missing_gradients  `.grad` of what is no leaf: `w = w - lr * w.grad`
instructions       what the user's code is doing where a mistake is suspected
"""

from ..arrays.reused import is_reused
from .lost import is_lost
from .telling import TrainingWarning, tell

__all__ = ["TrainingWarning", "is_lost", "is_reused", "tell"]
