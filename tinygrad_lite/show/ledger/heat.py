"""The colours of a cost in a picture or a page: each box by its share of the largest."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from ...arrays.arguments import choice
from ...engine.graph import Node
from ..outline.boxes import Box
from .costs import Cost, bytes_text, count_text, time_text

Measure = Literal["time", "flops", "bytes", "moved"]

WORDS: dict[str, str] = {
    "time": "time, forward and backward",
    "flops": "floating-point operations, forward and backward",
    "bytes": "bytes kept for the backward pass",
    "moved": "bytes moved, at least",
}


def measure_of(by: str | None, timed: bool) -> Measure:
    """What to colour by; by default the time, if it was measured."""
    if by is None:
        return "time" if timed else "flops"
    choice(by, "Ledger.draw: by", *get_args(Measure))
    if by == "time" and not timed:
        raise ValueError(
            "Ledger.draw: nothing was measured, so there are no times; make the graph inside "
            '`with profile():`, or use by="flops"'
        )
    return by  # type: ignore[return-value]  # one of the choices


def heat(boxes: Sequence[Box], of: Callable[[Node], Cost | None], by: Measure) -> str:
    """Give each box with a cost its heat; and a sentence that says what the colours mean."""
    sizes: dict[Box, float] = {}
    for box in boxes:
        costs = [cost for node in box.nodes if (cost := of(node)) is not None]
        if costs:
            sizes[box] = sum(_size(cost, by) for cost in costs)
    largest, whole = max(sizes.values(), default=0), sum(sizes.values())
    for box, size in sizes.items():
        share = f"{size / whole:.0%}" if size > 0.005 * whole else "<1%"
        box.heat = (size / largest, f"{_text(size, by)}, {share}") if size else (0.0, "0")
    return f"Colours show {WORDS[by]}: {_text(whole, by) or 'nothing'} altogether."


def _size(cost: Cost, by: Measure) -> float:
    if by == "time":
        return cost.forward + cost.backward
    return {"flops": cost.flops, "bytes": cost.kept, "moved": cost.moved}[by]


def _text(size: float, by: Measure) -> str:
    if by == "time":
        return time_text(size)
    return f"{count_text(int(size))} FLOP" if by == "flops" else bytes_text(int(size))
