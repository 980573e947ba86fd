"""Every line of the tables in docs/gradients-at-corners.md runs and gives what stands there."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad

PAGE = Path(__file__).parents[2] / "docs" / "gradients-at-corners.md"
HEADER = "| code | at | value | gradient | elsewhere |"


def lines() -> list[list[str]]:
    """The cells of every line of the tables, without the marks of code."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        if line.startswith("|"):
            if inside and not line.startswith("| ---"):
                found.append([cell.strip().strip("`") for cell in line.strip("|").split(" | ")])
            inside = inside or line == HEADER
        else:
            inside = False
    return found


LINES = [pytest.param(*cells, id=f"{cells[0]} at {cells[1]}") for cells in lines()]


@pytest.mark.parametrize(("code", "at", "value", "gradient", "elsewhere"), LINES)
def test_a_line_of_the_tables(code, at, value, gradient, elsewhere) -> None:
    names = {"np": np, "inf": np.inf, "nan": np.nan, "Tensor": Tensor}
    inputs = eval(f"dict({at})", dict(names))
    leaves = {
        name: Tensor(np.array(numbers, np.float64), requires_grad=True)
        for name, numbers in inputs.items()
    }
    names |= leaves
    if value.endswith("Error"):
        with pytest.raises(eval(value)):
            eval(code, names)
        return
    ours = pytest.warns((RuntimeWarning, UserWarning))
    with ours if "warns:" in elsewhere else contextlib.nullcontext():
        result = eval(code, names)
    tolerance = 1e-15 if "float16" not in code else 1e-4
    np.testing.assert_allclose(result.data, eval(value, names), rtol=tolerance)
    found = grad(result, [*leaves.values()], Tensor(np.ones(result.shape, result.dtype)))
    for slope, expected in zip(found, eval(f"[{gradient}]", names), strict=True):
        np.testing.assert_allclose(slope.data, np.array(expected, float), rtol=tolerance)


def test_every_table_is_read() -> None:
    """No line is passed over because its header or its bars are spelled differently."""
    bars = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    headers = bars.count(HEADER)
    assert headers >= 8
    assert len(LINES) == len(bars) - 2 * headers > 80
    assert all(len(cells) == 5 for cells in lines())


def test_an_operation_raises_no_warning_of_numpy() -> None:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        x = Tensor([0.0, -1.0, 1e38])
        assert np.isinf((1 / x).data[0])
        assert np.isinf((x * 1e38).data[2])
        assert np.isnan(x.log().data[1])
