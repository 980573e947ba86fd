"""The lines of the tables in docs/gradients-at-corners.md, read from the page."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, grad

PAGE = Path(__file__).parents[2] / "docs" / "gradients-at-corners.md"
HEADER = "| code | at | value | gradient | elsewhere |"
NAMES = {"np": np, "inf": np.inf, "nan": np.nan, "none": None}


@dataclass(frozen=True)
class Line:
    """The cells of a line, without the marks of code."""

    code: str
    at: str
    value: str
    gradient: str
    elsewhere: str

    @property
    def name(self) -> str:
        """For errors and ids of tests."""
        return f"{self.code} at {self.at}"

    @cached_property
    def given(self) -> dict[str, np.ndarray]:
        """The values of the leaves, and under "g" what backward starts from if the line says it."""
        given = eval(f"dict({self.at})", dict(NAMES))
        return {name: np.array(values, np.float64) for name, values in given.items()}

    @cached_property
    def expected(self) -> list[Any]:
        """The value, or an error; and the gradients."""
        found = eval(f"[{self.value}, {self.gradient}]", dict(NAMES))
        return found if self.error else [np.array(values, np.float64) for values in found]

    @property
    def error(self) -> bool:
        """Whether the call is refused."""
        return self.value.endswith("Error")

    @property
    def differs(self) -> bool:
        """Whether PyTorch gives something else."""
        return "PyTorch" in self.elsewhere and "as PyTorch" not in self.elsewhere

    def fits(self, dtype: type) -> bool:
        """Whether all its numbers have a place in the dtype, and none becomes 0 or inf."""
        numbers = [*self.given.values(), *([] if self.error else self.expected)]
        with np.errstate(over="ignore"):
            narrow = [x.astype(dtype) for x in numbers]
        return all(
            np.array_equal(is_special(a), is_special(b))
            for a, b in zip(narrow, numbers, strict=True)
            for is_special in (np.isinf, np.logical_not)
        )


def lines() -> list[Line]:
    """Those of all tables, in order."""
    found, inside = [], False
    for text in PAGE.read_text().splitlines():
        if text.startswith("|"):
            if inside and not text.startswith("| ---"):
                cells = (cell.strip().strip("`") for cell in text.strip("|").split(" | "))
                found.append(Line(*cells))
            inside = inside or text == HEADER
        else:
            inside = False
    return found


LINES = lines()
BY_NAME = {line.name: line for line in LINES}


def run(line: Line, dtype: type, **options: Any) -> tuple[dict[str, Tensor], Tensor, Any]:
    """The leaves, the result and the gradients, one for each leaf."""
    arrays = {name: x.astype(dtype) for name, x in line.given.items()}
    start = arrays.pop("g", None)
    leaves = {name: Tensor(x, requires_grad=True) for name, x in arrays.items()}
    y = eval(line.code, NAMES | leaves)
    start = Tensor(np.ones(y.shape, y.dtype) if start is None else start)
    found = grad(y, [*leaves.values()], start, allow_unused=True, **options)
    return (
        leaves,
        y,
        [x.zeros_like() if g is None else g for g, x in zip(found, leaves.values(), strict=True)],
    )
