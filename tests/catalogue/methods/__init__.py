"""The table of Tensor's methods: every public one has a row here, or a test file of its own.

One file per theme, as in tinygrad_lite/methods.  `catalogue/test_methods.py` compares each row with
NumPy and with finite differences, `tests/parity/test_methods.py` with PyTorch.
"""

from . import (
    activations,
    attention,
    casting,
    comparison,
    convolution,
    creation,
    elementwise,
    gathering,
    joining,
    linalg,
    losses,
    movement,
    operators,
    padding,
    pooling,
    random,
    recurrent,
    reduce,
    resampling,
    scan,
    sorting,
    tensor_mistakes,
    trigonometry,
)
from .row import Mistake as Mistake
from .row import Row as Row
from .row import listed as listed

THEMES = (
    activations,
    attention,
    casting,
    comparison,
    convolution,
    creation,
    elementwise,
    gathering,
    joining,
    linalg,
    losses,
    movement,
    operators,
    padding,
    pooling,
    random,
    recurrent,
    reduce,
    resampling,
    scan,
    sorting,
    tensor_mistakes,
    trigonometry,
)
ROWS: list[Row] = [row for theme in THEMES for row in theme.ROWS]
MISTAKES: list[Mistake] = [mistake for theme in THEMES for mistake in theme.MISTAKES]
