"""The table of every primitive: how it is called, what NumPy says, and on which inputs.

One file per file of tinygrad_lite/ops.  `catalogue/test_primitives.py` runs all checks on all rows,
and fails if a primitive has no row or a row no primitive.  A row's `reference` is written with
NumPy alone, so that values, and gradients by finite differences of the reference, are compared with
something that is not ours.
"""

from importlib import import_module
from pkgutil import iter_modules

from .case import Case as Case
from .case import Shapes as Shapes

# By name, so that all processes of pytest-xdist have the rows in one order.
THEMES = [
    import_module(f"{__name__}.{file.name}")
    for file in iter_modules(__path__)
    if file.name != "case"
]
CASES: list[Case] = [row for theme in THEMES for row in theme.CASES]
