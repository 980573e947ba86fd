"""The table of Tensor's methods: every public one has a row here, or a test file of its own.

One file per file of tinygrad_lite/methods.  `catalogue/test_methods.py` compares each row with
NumPy and with finite differences, `tests/parity/test_methods.py` with PyTorch.
"""

from importlib import import_module
from pkgutil import iter_modules

from .row import Mistake as Mistake
from .row import Row as Row
from .row import listed as listed

# By name, so that all processes of pytest-xdist have the rows in one order.
THEMES = [
    import_module(f"{__name__}.{file.name}")
    for file in iter_modules(__path__)
    if file.name != "row" and not file.name.startswith("_")
]
ROWS: list[Row] = [row for theme in THEMES for row in getattr(theme, "ROWS", ())]
MISTAKES: list[Mistake] = [mistake for theme in THEMES for mistake in theme.MISTAKES]
