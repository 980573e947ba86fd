"""The mistakes that everyone makes: what notices one, and how it is told.

telling     `TrainingWarning`, and `tell`, which gives one for each line of the user's
"""

from .telling import TrainingWarning, tell

__all__ = ["TrainingWarning", "tell"]
