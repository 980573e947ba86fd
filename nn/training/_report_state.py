"""What a Report is given: values, a score, and the state that a snapshot has of it."""

from collections.abc import Mapping
from typing import Any

from tinygrad_lite import arguments

from ._output import remark

LARGEST = 1 << 62  # a count in a state


def plain(name: str, value: Any) -> float:
    """A value as a float; a Tensor or an array may hold it."""
    if type(value) is float:
        return value
    try:
        value = value.item() if hasattr(value, "item") else value
    except (TypeError, ValueError):  # of more than one element
        raise arguments.wrong(f"Report: {name}", "a number", value) from None
    return float(arguments.number(value, f"Report: {name}"))


def judged(score: float | None, target: float, unit: str, lower_is_better: bool) -> bytes:
    """The exit status in digits: 1, with a line about it, if the score misses its target."""
    if score is None or (score <= target if lower_is_better else score >= target):
        return b"0"
    side = "above" if lower_is_better else "below"
    missed = f"{side} the target of" if score == score else "not a number, where the target is"
    remark(f"that is {missed} {target:g}{unit}, so the status is 1")
    return b"1"


def checked_state(state: Any) -> dict[str, Any]:
    """A state from a file that may be hostile; ValueError if it is malformed."""
    where = "Report.load_state_dict"
    if not isinstance(state, Mapping) or set(state) != {"counts", "seconds", "totals", "recent"}:
        raise ValueError(f"{where}: expected what state_dict gives; got {arguments.shown(state)}")
    counts, seconds = state["counts"], state["seconds"]
    if not (
        isinstance(counts, list)
        and len(counts) == 4
        and all(type(each) is int and 0 <= each < LARGEST for each in counts)
    ):
        raise ValueError(f"{where}: counts: expected four; got {arguments.shown(counts)}")
    if type(seconds) is not float or not 0 <= seconds < LARGEST:
        raise ValueError(f"{where}: seconds: expected a number; got {arguments.shown(seconds)}")
    for section, exact in (("totals", True), ("recent", False)):
        found = state[section]
        if not isinstance(found, dict) or not all(
            isinstance(name, str)
            and isinstance(values, list)
            and (len(values) == 2 if exact else values)
            and all(type(each) in (int, float) for each in values)
            for name, values in found.items()
        ):
            raise ValueError(
                f"{where}: {section}: expected lists of numbers; got {arguments.shown(found)}"
            )
    return dict(state)
