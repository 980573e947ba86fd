"""docs/from-pytorch.md: its NumPy lines give NumPy's numbers; its traps are traps.

tests/parity/test_other_libraries.py runs its PyTorch lines on PyTorch.
"""

import numpy as np
import pytest
from other_libraries import ARRAYS, LINES, Line, names, run, values

TRAPS = [line for line in LINES if line.section.startswith("The same words")]
NUMPYS = [line for line in LINES if line.section == "NumPy"]


def test_the_page_has_the_lines() -> None:
    assert len(LINES) > 60
    assert {line.section for line in LINES} >= {"PyTorch", "NumPy"}
    assert [line.ours for line in TRAPS if line.theirs == "x.max(1)[1]"] == ["x.argmax(1)"]


@pytest.mark.parametrize("line", NUMPYS, ids=lambda line: line.theirs)
def test_numpys_line_and_ours_give_the_same(line: Line) -> None:
    expected = values(eval(line.theirs, {"np": np, **ARRAYS}))
    for a, b in zip(run(line), expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    "line",
    [line for line in TRAPS if not line.theirs.startswith(("F.", "torch."))],
    ids=lambda line: line.theirs,
)
def test_the_same_words_mean_something_else_here(line: Line) -> None:
    """Or the line belongs into the other table."""
    try:
        found = values(eval(line.theirs, names()))
    except (AttributeError, TypeError):
        return
    expected = run(line)
    assert len(found) != len(expected) or not np.array_equal(found[0], expected[0])
