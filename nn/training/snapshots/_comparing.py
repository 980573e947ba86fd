"""What must be the same in a snapshot and in the program that resumes, besides the parts."""

from collections.abc import Mapping
from typing import Any

from tinygrad_lite import arguments

from ._encoding import Encoder


def checked_config(config: Any) -> Any:
    """The config as JSON."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        fix = "; pass vars(arguments)" if hasattr(config, "__dict__") else ""
        raise arguments.wrong("Snapshot: config", "a dict", config, fix)
    encoder = Encoder("Snapshot")
    found = encoder(dict(config), "config")
    if encoder.arrays:
        raise TypeError(f"Snapshot: {next(iter(encoder.arrays))}: expected JSON; got an array")
    return found


def other_order(before: Any, now: list[str | None]) -> str:
    """How the parameters of an optimiser differ from the saved ones; "" if they do not."""
    if not isinstance(before, list) or len(before) != len(now):
        count = len(before) if isinstance(before, list) else arguments.shown(before)
        return f"it was saved with {count} parameters; this one has {len(now)}"
    for position, (own, other) in enumerate(zip(now, before, strict=True)):
        if type(own) is not type(other) or own != other:
            was = arguments.shown(other)
            return f"its parameter {position} is {own}, and was {was} when it was saved"
    return ""
