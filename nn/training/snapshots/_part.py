"""The parts of a snapshot: what each can do, which is to give, to check and to load a state."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, ClassVar

from tinygrad_lite import Tensor, arguments, files

from .._leading import alone_here
from ._encoding import Encoder
from ._in_place import Undo


class Part:
    """An object with `state_dict` and `load_state_dict`, which checks a state itself."""

    kind = "object"
    # If the state is a dict of sections: what follows the part's name in the names of their arrays.
    labels: ClassVar[dict[str, str]] = {}

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def name(self) -> str:
        """The class of objects that can load this state."""
        return type(self.value).__name__

    def state(self) -> Any:
        """What to save: nested values with arrays, which are not copied."""
        return self.value.state_dict()

    def encoded(self, encoder: Encoder, name: str) -> Any:
        """The state as JSON, its arrays under readable names."""
        if not self.labels:
            return encoder(self.state(), name)
        state = self.state()
        return {key: encoder(state[key], name + self.labels.get(key, "")) for key in state}

    def check(self, state: Any) -> None:
        """ValueError if the object cannot load this state, as far as that is known here."""

    def load(self, state: Any, undo: Undo) -> None:
        """Load the state, which may be changed by that; `undo` gets what takes it back."""
        before = deepcopy(self.value.state_dict())
        undo.callback(self.value.load_state_dict, before)
        self.value.load_state_dict(state)

    def remarks(self, state: Any) -> str:
        """What to warn of: a difference that is no error; "" if there is none."""
        return ""

    def tensors(self) -> dict[str, Tensor]:
        """The parameters that are saved with this part, by name."""
        return {}


def gather_states(values: Iterable[Any]) -> None:
    """Let objects exchange what the leading one of several processes is going to save of them."""
    if not alone_here():
        for value in values:
            if callable(gather := getattr(value, "gather_state", None)):
                gather()


def check_kinds(state: Any, kinds: dict[str, Any]) -> None:
    """ValueError unless it is a dict of these names, with values of these types."""
    if not isinstance(state, dict) or state.keys() != kinds.keys():
        raise ValueError(f"expected {', '.join(kinds)}; got {arguments.shown(state)}")
    for name, kind in kinds.items():
        if not isinstance(state[name], kind):
            raise ValueError(f"{name} cannot be {arguments.shown(state[name])}")


def changes(before: Any, now: Any, name: str = "") -> list[str]:
    """What is different in two dicts, each as "name old -> new"."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in {**before, **now}:
            inner = f"{name}.{key}" if name else str(key)
            if key not in before:
                found.append(f"{files.printable(inner, 60)} is new")
            elif key not in now:
                found.append(f"{files.printable(inner, 60)} is gone")
            else:
                found += changes(before[key], now[key], inner)
        return found
    same = repr(before) == repr(now)
    name = files.printable(name, 60)
    return [] if same else [f"{name} {arguments.shown(before)} -> {arguments.shown(now)}"]


def listed(changed: list[str]) -> str:
    """The changes for one line, which a file from elsewhere may have made long."""
    more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
    return f"{', '.join(changed[:10])}{more}"
