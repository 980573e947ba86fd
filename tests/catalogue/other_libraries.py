"""The lines of the tables in docs/from-pytorch.md, read from the page, and the values they name."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from methods import listed

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor

PAGE = Path(__file__).parents[2] / "docs" / "from-pytorch.md"


@dataclass(frozen=True)
class Line:
    """A line: what another library says, and what is written here."""

    section: str
    theirs: str
    ours: str


def lines() -> list[Line]:
    """Every line of every table, under its heading."""
    found, section = [], ""
    for text in PAGE.read_text().splitlines():
        if text.startswith("## "):
            section = text[3:]
        cells = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text)
        found += [Line(section, *pair) for pair in cells]
        assert cells or not text.startswith("| `"), text
    return found


LINES = lines()
rng = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "x": rng.uniform(0.1, 0.9, (3, 4)),
    "y": rng.uniform(0.1, 0.9, (3, 4)),
    "v": rng.uniform(0.5, 1.5, 4),
    "m": np.eye(4) + 0.1 * np.ones((4, 4)),
    "labels": np.array([2, 0, 3]),
    "index": np.array([[0, 3], [1, 1], [2, 0]]),
    "mask": rng.random((3, 4)) > 0.5,
    "images": rng.normal(size=(2, 3, 6, 6)),
    "k": rng.normal(size=(4, 3, 3, 3)),
    "b": rng.normal(size=4),
    "c": rng.uniform(0.5, 2.0, 4),
    "w": rng.normal(size=(5, 4)),
}


def squares(v: Any) -> Any:
    """The function `f` of the page."""
    return v**2


WEIGHTS = {
    "0.weight": rng.normal(size=(3, 4)),
    "0.bias": rng.normal(size=3),
    "2.weight": rng.normal(size=(2, 3)),
    "2.bias": rng.normal(size=2),
}


def model(layers: Any, tensor: Any) -> Any:
    """The model of the page, of the layers and the tensors of either library."""
    made = layers.Sequential(layers.Linear(4, 3), layers.ReLU(), layers.Linear(3, 2)).double()
    made.load_state_dict({name: tensor(array) for name, array in WEIGHTS.items()})
    return made


def names() -> dict[str, Any]:
    """What a line may name: tensors of ours, of which `v` requires grad."""
    tensors = {name: Tensor(array, requires_grad=name == "v") for name, array in ARRAYS.items()}
    library = {"np": np, "tl": tl, "nn": nn, "F": nn.functional, "Tensor": Tensor}
    library["model"] = model(nn, Tensor)
    return {"f": squares, "array": ARRAYS["x"], **library, **tensors}


def values(result: Any) -> list[np.ndarray]:
    """The results as arrays."""
    return [np.asarray(y.detach() if isinstance(y, Tensor) else y) for y in listed(result)]


def run(line: Line) -> list[np.ndarray]:
    """What the line gives as it is written here."""
    return values(eval(line.ours, names()))
