"""The table of every primitive: how it is called, what NumPy says, and on which inputs.

`catalogue/test_primitives.py` runs all checks on all rows, and fails if a primitive has no row or
a row no primitive.  A row's `reference` is written with NumPy alone, so that values, and gradients
by finite differences of the reference, are compared with something that is not ours.
"""

from . import (
    activations,
    arithmetic,
    convolution,
    elementwise,
    indexing,
    linalg,
    losses,
    movement,
    normalisation,
    pooling,
    recurrent,
    reduce,
    scan,
    selection,
    trigonometry,
)
from .case import Case as Case
from .case import Shapes as Shapes

THEMES = (
    activations,
    arithmetic,
    convolution,
    elementwise,
    indexing,
    linalg,
    losses,
    movement,
    normalisation,
    pooling,
    recurrent,
    reduce,
    scan,
    selection,
    trigonometry,
)
CASES: list[Case] = [row for theme in THEMES for row in theme.CASES]
