"""Random programs: up to thirty operations that run on our tensors and on PyTorch's side by side.

A tenth of them, of up to ten operations, have values of up to 100,000 elements.

A step is a row of catalogue/methods, on its own shapes or, if it takes any, on the shape of a
value, or an operation of own_steps.py with drawn axes and indices.  A row has a domain where it is
smooth: it gets numbers of that domain, moved a little by a value of the program, so that gradients
flow on through it.
"""

import inspect
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from cases.case import ONE, TWO, distinct
from methods import ROWS
from parity import peer, side_by_side
from parity.own_steps import KINKED, SMOOTH, room
from parity.source import Text
from parity.windows_and_positions import POSITIONS

from tinygrad_lite import Tensor

SHAPES = [
    *((), (3,), (1,), (2, 3), (0,), (3, 1), (2, 1, 3), (0, 3), (4, 2), (2, 2, 2), (1, 1)),
    *((1, 2, 1, 3), (2, 1, 2, 1, 2), (2, 3, 4), (3, 0, 2), (5,), (2, 2, 3, 1)),
]
LONG_SHAPES = [
    *((100_000,), (50_000, 2), (2, 50_000), (30_000, 3), (1, 20_000), (20_000, 1), (300, 300)),
    *((8, 3, 60, 60), (40, 16, 10, 10), (4, 8, 50, 50), (10, 10, 10, 10, 10), (3,), (2, 3), ()),
]
WIDTHS = ["float64", "float64", "float32", "mixed"]

LAYOUTS = [None, None, None, "transposed", "strided", "reversed", "channels_last"]

# Methods that no step can be, and why.
LEFT_OUT = {
    "bitcast": "shows the last bits, in which two libraries may differ",
    # By the leaves they agree: test_layers and test_methods.
    "lstm_cell": "h' is computed from c' in PyTorch, whose gradient of c' has a part by way of h'",
}
# Those that depend on how their input lies in memory.
LAYOUT_MATTERS = {"view", "view_as"}

ROW_STEPS = {
    row.name: row
    for row in ROWS
    if row.torch is not None and row.method not in LEFT_OUT and any(row.shapes)
}
OWN_STEPS = {  # named apart from the rows of the same method
    f"drawn {name}": entry for name, entry in {**SMOOTH, **POSITIONS, **KINKED}.items()
}
NAMES = [*OWN_STEPS] * max(len(ROW_STEPS) // len(OWN_STEPS), 1) + [*ROW_STEPS]


class Ours:
    """What a program says, in our words."""

    tensor = staticmethod(Tensor)

    @staticmethod
    def dtype(x):
        return x.dtype

    @staticmethod
    def cast(x, dtype):
        return x.cast(dtype)

    @staticmethod
    def transposed(x):
        """The same values with the axes of the memory in reverse order."""
        return x.T.reshape(-1).reshape(x.shape[::-1]).T

    @staticmethod
    def strided(x):
        """Every second element of a larger array."""
        pair = x.unsqueeze(-1)
        return pair.cat(pair, axis=-1)[..., 0]

    @staticmethod
    def reversed(x):
        """The last axis backwards in memory."""
        return x[..., ::-1].reshape(-1).reshape(x.shape)[..., ::-1] if x.ndim else x

    @staticmethod
    def channels_last(x):
        """Axis 1, the channels of images, the fastest in memory."""
        if x.ndim < 3:
            return x
        y = x.movedim(1, -1)
        return y.reshape(-1).reshape(y.shape).movedim(-1, 1)


class Theirs:
    """The same in PyTorch's; how the values lie in memory is left to it."""

    tensor = staticmethod(torch.tensor)

    @staticmethod
    def dtype(x):
        return x.detach().numpy().dtype

    @staticmethod
    def cast(x, dtype):
        return x.to(getattr(torch, str(np.dtype(dtype))))

    @staticmethod
    def transposed(x):
        return x

    @staticmethod
    def strided(x):
        return x

    @staticmethod
    def reversed(x):
        return x

    @staticmethod
    def channels_last(x):
        return x


def near(library, base, x):
    """The numbers of `base`, moved a little by the elements of x, as often as there is room."""
    if not base.size or not prod(x.shape):
        return library.tensor(base)
    index = np.arange(base.size) % prod(x.shape)
    moves = library.cast(x.reshape(-1)[index].reshape(base.shape), base.dtype)
    return library.tensor(base) + moves * 0.01234567  # bases have three decimals: none cancels


@dataclass
class Step:
    """One line of a program: operation `name` of `operands`, results named v<first>, ...

    An operand is the index of a value, or None; a layout, or None; and numbers near which the value
    is brought, or None.
    """

    name: str
    operands: list[tuple[int | None, str | None, np.ndarray | None]]
    options: dict[str, Any] = field(default_factory=dict)
    first: int = 0
    count: int = 0
    several: bool = False

    def run(self, library: Any, calls: dict[str, Any], values: list[Any]) -> list[Any]:
        """The results."""
        given = []
        for position, layout, base in self.operands:
            if position is None:
                given.append(library.tensor(base))
                continue
            x = values[position] if base is None else near(library, base, values[position])
            given.append(getattr(library, layout)(x) if layout else x)
        results = calls[self.name](*given, **self.options)
        self.several = isinstance(results, (tuple, list))
        return side_by_side.listed(results)

    def text(self) -> str:
        """The line."""
        given = []
        for position, layout, base in self.operands:
            if position is None:
                given.append(f"library.tensor({array_text(base)})")
                continue
            x = f"v{position}"
            if base is not None:
                x = f"near(library, {array_text(base)}, {x})"
            given.append(f"library.{layout}({x})" if layout else x)
        given += [f"{key}={value!r}" for key, value in self.options.items()]
        names = ", ".join(f"v{self.first + k}" for k in range(self.count))
        call = f"calls[{self.name!r}]({', '.join(given)})"
        return f"[{names}] = {call}" if self.several else f"{names} = {call}"


def leaf(seed: int, number: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng((seed, number)).uniform(-1.5, 1.5, shape).round(3).astype(dtype)


def array_text(array: np.ndarray) -> str:
    numbers = array.tolist() if array.size else f"np.zeros({array.shape})"
    return f"np.array({numbers}, np.{array.dtype})"


def scaled(x, factor):
    return x * factor


CALLS = {
    **{name: (ours, theirs) for name, (ours, theirs, _) in OWN_STEPS.items()},
    **{name: (row.call, peer.peer_of(row)) for name, row in ROW_STEPS.items()},
    "scaled": (scaled, scaled),
}
OURS = {name: ours for name, (ours, _) in CALLS.items()}
THEIRS = {name: theirs for name, (_, theirs) in CALLS.items()}


class Disagreement(AssertionError):
    """Ours and PyTorch's differ; the message holds a program to run."""


class Program:
    """A program while it is made: each step runs on both sides at once and is compared."""

    def __init__(self, width: str, shapes: list[tuple[int, ...]], seed: int) -> None:
        widths = ["float32" if width == "float32" else "float64"] * len(shapes)
        if width == "mixed":
            widths = [("float32", "float64")[k % 2] for k in range(len(shapes))]
        self.width = "float64" if width == "float64" else "float32"
        self.leaves = [
            np.asarray(leaf(seed, number, shape, dtype))
            for number, (shape, dtype) in enumerate(zip(shapes, widths, strict=True))
        ]
        self.largest = room(*self.leaves)
        self.steps: list[Step] = []
        self.mine: list[Any] = [Tensor(array, requires_grad=True) for array in self.leaves]
        self.theirs: list[Any] = [torch.tensor(array, requires_grad=True) for array in self.leaves]
        self.pool = [*range(len(shapes))]  # what later steps may use, and gradients start from

    def add(self, name: str, dice: int) -> None:
        """One more step, if `name` can take some of the values."""
        rng = np.random.default_rng(dice)
        step = self.row_step(name, rng) if name in ROW_STEPS else self.own_step(name, rng)
        if step is not None:
            self.run(step)

    def picked(self, rng: np.random.Generator) -> int:
        """The index of a value, more often a new one."""
        back = int(len(self.pool) * rng.random() ** 2)
        return self.pool[len(self.pool) - 1 - back]

    def layout(self, rng: np.random.Generator) -> str | None:
        return LAYOUTS[int(rng.integers(len(LAYOUTS)))]

    def own_step(self, name: str, rng: np.random.Generator) -> Step | None:
        draw = OWN_STEPS[name][2]
        count = len(inspect.signature(draw).parameters) - 1
        for _ in range(4):
            positions = [self.picked(rng) for _ in range(count)]
            options = draw(rng, *(self.mine[position] for position in positions))
            if options is not None:
                break
        else:
            return None
        operands: list[Any] = [(position, self.layout(rng), None) for position in positions]
        if name.removeprefix("drawn ") in KINKED:
            x = self.mine[positions[0]]
            operands = [(*operands[0][:2], distinct(rng, x.shape).round(3).astype(x.dtype))]
        return Step(name, operands, options)

    def row_step(self, name: str, rng: np.random.Generator) -> Step:
        row = ROW_STEPS[name]
        kind = row.kinds[int(rng.integers(len(row.kinds)))] if rng.random() < 0.2 else row.kinds[0]
        variants = [variant for variant in row.shapes if variant]
        variant = variants[int(rng.integers(len(variants)))]
        positions = [self.picked(rng) for _ in variant]
        if row.shapes is ONE:
            variant = (self.mine[positions[0]].shape,)
        elif row.shapes is TWO and rng.random() < 0.8:
            wanted = tuple(self.mine[position].shape for position in positions)
            try:
                if prod(np.broadcast_shapes(*wanted)) <= self.largest:
                    variant = wanted
            except ValueError:
                pass
        dtype = {"f": self.mine[positions[0]].dtype, "i": np.int64, "b": np.bool_}[kind]
        drawn = [np.asarray(row.domain(rng, shape)).round(3) for shape in variant]
        if kind != "f":
            drawn = [np.trunc(x * 3) if kind == "i" else x > 0.6 for x in drawn]
            return Step(name, [(None, None, np.asarray(x, dtype)) for x in drawn])
        return Step(
            name,
            [
                (
                    position,
                    None if row.method in LAYOUT_MATTERS else self.layout(rng),
                    np.asarray(x, dtype),
                )
                for position, x in zip(positions, drawn, strict=True)
            ],
        )

    def run(self, step: Step) -> None:
        """The step on both sides; results that are small finite floats join the pool."""
        step.first = len(self.mine)
        self.steps.append(step)
        try:
            mine = step.run(Ours, OURS, self.mine)
        except Exception as error:
            step.count = 1
            raise self.disagreement(f"ours raises {type(error).__name__}: {error}") from error
        step.count = len(mine)
        try:
            theirs = step.run(Theirs, THEIRS, self.theirs)
        except Exception as error:
            raise self.disagreement(f"PyTorch raises {type(error).__name__}: {error}") from error
        self.mine += mine
        self.theirs += theirs
        try:
            for position in range(step.first, step.first + step.count):
                a, b = self.mine[position].numpy(), self.theirs[position].numpy(force=True)
                side_by_side.demand_the_same(a, b, f"value of v{position}", self.width)
        except AssertionError as error:
            raise self.disagreement(str(error)) from error
        row = ROW_STEPS.get(step.name)
        if row is None or not row.constant:  # PyTorch has no derivative of some, where ours is 0
            for position in range(step.first, step.first + step.count):
                self.take_up(position)

    def take_up(self, position: int) -> None:
        values = self.mine[position].numpy()
        if values.dtype == np.float32:
            self.width = "float32"  # what is computed from it has that many digits
        if values.dtype not in (np.float32, np.float64) or values.size > self.largest:
            return
        if values.ndim > 5 or not np.isfinite(values).all():
            return
        largest = float(np.abs(values).max(initial=0.0))
        if largest > 1e6:
            return
        self.pool.append(position)
        if largest > 3:
            self.pool.pop()
            self.run(
                Step("scaled", [(position, None, None)], {"factor": float(f"{2 / largest:.2g}")})
            )

    def check_gradients(self) -> None:
        """First and second order, of every value that a later step may use."""
        ends = [position for position in self.pool if self.mine[position].requires_grad]
        try:
            side_by_side.demand_the_same_gradients(self.mine, self.theirs, ends, self.width)
        except Exception as error:
            raise self.disagreement(f"{type(error).__name__}: {error}") from error

    def disagreement(self, why: str) -> Disagreement:
        return Disagreement(f"{why}\n\nThe program, to be run as it is:\n\n{self.text()}")

    def text(self) -> str:
        """A file that runs the program on both libraries and compares them."""
        text = Text()
        for need in ("import numpy as np", "import torch", "from math import prod"):
            text.imports.add(need)
        text.imports.add("from tinygrad_lite import Tensor, grad")
        used = dict.fromkeys(step.name for step in self.steps)
        tables = [
            f"{table} = {{\n"
            + "".join(f"    {name!r}: {spelled(name, ours, text)},\n" for name in used)
            + "}"
            for table, ours in (("OURS", True), ("THEIRS", False))
        ]
        ends = [position for position in self.pool if self.mine[position].requires_grad]
        positions = range(len(self.leaves) + sum(step.count for step in self.steps))
        arguments = ", ".join(f"v{position}" for position in range(len(self.leaves)))
        leaves = ",\n".join(f"    {array_text(x)}" for x in self.leaves)
        lines = [
            f"def program(library, calls, {arguments}):",
            *(f"    {step.text()}" for step in self.steps),
            f"    return [{', '.join(f'v{position}' for position in positions)}]",
        ]
        checks = [
            inspect.getsource(function)
            for _, function in inspect.getmembers(side_by_side, inspect.isfunction)
            if function.__module__ == side_by_side.__name__
        ]
        parts = [
            text.preamble(),
            inspect.getsource(peer),
            *(inspect.getsource(part) for part in (Ours, Theirs, near)),
            f"TOLERANCE = {side_by_side.TOLERANCE}",
            *checks,
            *tables,
            "\n".join(lines),
            f"leaves = [\n{leaves}\n]" if self.leaves else "leaves = []",
            "compare(\n"
            "    program, (Ours, OURS), (Theirs, THEIRS), leaves,\n"
            f"    ends={ends}, width={self.width!r},\n"
            ")",
        ]
        return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def spelled(name: str, ours: bool, text: Text) -> str:
    """The text of one side of an operation."""
    row = ROW_STEPS.get(name)
    try:
        if row is None:
            return text.of(CALLS[name][0 if ours else 1])
        if ours:
            return text.of(row.call)
        if row.torch == "the same call":
            return f"same_call({text.of(row.call)})"
        return f"lambda *xs: {text.of(row.torch)}(torch, *xs)"
    except LookupError:  # the row itself, found through the path of the tests
        text.imports.add("from methods import ROWS")
        assert row is not None
        found = f"next(row for row in ROWS if row.name == {row.name!r})"
        return f"{found}.call" if ours else f"peer_of({found})"
