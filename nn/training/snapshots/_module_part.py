"""A module as a part of a snapshot."""

import zlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, files

from ...module import Module
from ...reflection import Found, complete
from ...state import parameters_among
from ._in_place import (
    Undo,
    array_of,
    check_array,
    check_gradient,
    set_gradient,
    set_requires_grad,
    write,
    write_buffer,
)
from ._part import Part, check_kinds

OWN = (
    "training",
    "registered_buffers",
)  # attributes of every module: the first is saved, the second is no state
LOOSE = "the unregistered tensor"


class ModulePart(Part):
    """A module: its parameters, their gradients, its buffers, and its frozen and training flags.

    Buffers that `state_dict` leaves out are saved too, since later results depend on them.
    """

    kind = "module"
    labels: ClassVar[dict[str, str]] = {"gradients": ".grad", "own": ".own"}

    def __init__(self, value: Module) -> None:
        super().__init__(value)
        kind = type(value)
        self.own_dict = (kind.state_dict, kind.load_state_dict) != (
            Module.state_dict,
            Module.load_state_dict,
        )

    def state(self) -> dict[str, Any]:
        """The tensors, each under its first name."""
        found = complete("Snapshot", self.value)
        parameters, buffers = _by_name(found)
        return {
            "parameters": {name: each.data for name, each in parameters.items()},
            "buffers": {name: array_of(part.value) for name, part in buffers.items()},
            "gradients": {
                name: each.grad.data for name, each in parameters.items() if each.grad is not None
            },
            "frozen": [name for name, each in parameters.items() if not each.requires_grad],
            "training": {name: each.training for name, each in _modules(found).items()},
            "description": _description(found, parameters, buffers),
            "own": self.value.state_dict() if self.own_dict else None,
        }

    def check(self, state: Any) -> None:
        """The same names, shapes and dtypes."""
        kinds = {
            "parameters": dict, "buffers": dict, "gradients": dict, "frozen": list,
            "training": dict, "description": dict, "own": dict if self.own_dict else type(None),
        }  # fmt: skip
        check_kinds(state, kinds)
        found = complete("Snapshot", self.value)
        parameters, buffers = _by_name(found)
        _check_names("parameter", parameters, state["parameters"])
        _check_names("buffer", buffers, state["buffers"])
        for name, tensor in parameters.items():
            check_array(name, tensor.data, state["parameters"][name])
            if not tensor.data.flags.writeable:
                raise ValueError(f"{name} is read-only in the model")
        for name, part in buffers.items():
            own, given = array_of(part.value), state["buffers"][name]
            if not isinstance(given, np.ndarray | None):
                raise ValueError(f"{name}: expected an array; got {arguments.shown(given)}")
            if given is not None:
                Tensor.from_array(given)
            if own is not None and given is not None and part.buffer:
                check_array(name, own, given)
        for name, gradient in state["gradients"].items():
            if name not in parameters:
                raise ValueError(
                    f"it has the gradient of {arguments.shown(name)}, which is not there"
                )
            check_gradient(name, parameters[name].shape, gradient)
        for name in state["frozen"]:
            if not isinstance(name, str) or name not in parameters:
                raise ValueError(f"{arguments.shown(name)} is frozen, and not there")
        if not all(isinstance(flag, bool) for flag in state["training"].values()):
            raise ValueError("training: expected True or False for each module")
        if not all(isinstance(text, str) for pair in state["description"].items() for text in pair):
            raise ValueError("description: expected text by name")

    def load(self, state: Any, undo: Undo) -> None:
        """Write into the existing tensors, so that optimisers keep their parameters."""
        if self.own_dict:
            super().load(state["own"], undo)
        found = complete("Snapshot", self.value)
        parameters, buffers = _by_name(found)
        frozen = set(state["frozen"])
        for name, tensor in parameters.items():
            write(tensor, state["parameters"].pop(name), undo)
            set_gradient(tensor, state["gradients"].pop(name, None), undo)
            undo.callback(set_requires_grad, tensor, tensor.requires_grad)
            set_requires_grad(tensor, name not in frozen)
        for name, part in buffers.items():
            write_buffer(part, name.rpartition(".")[2], state["buffers"].pop(name), undo)
        for name, module in _modules(found).items():
            if name in state["training"]:
                undo.callback(setattr, module, "training", module.training)
                module.training = state["training"][name]

    def remarks(self, state: Any) -> str:
        """Layers, functions, numbers and unregistered tensors that differ from the saved ones."""
        found = complete("Snapshot", self.value)
        now, before = _description(found, *_by_name(found)), state["description"]
        changed = [
            f"{files.printable(name or 'the module', 60)} is {_shown(now, name)} "
            f"(was {_shown(before, name)})"
            for name in {**before, **now}
            if now.get(name) != before.get(name) and not self._keeps(name)
        ]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        fix = "; tensors that change are saved if they are registered: register_buffer"
        texts = [text for text in changed if LOOSE in text]
        return f"{', '.join(changed[:3])}{more}{fix if texts else ''}"

    def _keeps(self, name: str) -> bool:
        """Whether the module itself may save this attribute, in a `state_dict` of its own."""
        return self.own_dict and "." not in name

    def tensors(self) -> dict[str, Tensor]:
        """The parameters."""
        return _by_name(complete("Snapshot", self.value))[0]


def _by_name(found: list[Found]) -> tuple[dict[str, Tensor], dict[str, Found]]:
    """The parameters and the buffers, by name."""
    parameters = parameters_among(found)
    taken = {id(tensor) for _, tensor in parameters}
    buffers = [
        (part.path, part)
        for part in found
        if part.buffer is not None and id(part.value) not in taken
    ]
    seen: set[str] = set()
    for name, _ in (*parameters, *buffers):
        if name in seen:
            raise ValueError(f"Snapshot: two tensors are called {name!r}; rename a dict key")
        seen.add(name)
    return dict(parameters), dict(buffers)


def _modules(found: list[Found]) -> dict[str, Module]:
    return {part.path: part.value for part in found if isinstance(part.value, Module)}


def _description(
    found: list[Found], parameters: dict[str, Tensor], buffers: dict[str, Found]
) -> dict[str, str]:
    """What results depend on although it is not saved: text by path.

    The classes of modules, and their attributes that are functions, numbers or text, or short
    lists of them; and tensors and arrays that are not registered, by a checksum.
    """
    modules = _modules(found)
    saved = {id(each) for each in parameters.values()} | {id(x.value) for x in buffers.values()}
    words: dict[str, str] = {}
    for path, value, module, buffer in found:
        above, _, attribute = path.rpartition(".")
        if attribute in OWN or buffer is not None:
            continue
        if isinstance(value, Module):
            words[path] = type(value).__name__
        elif isinstance(value, Tensor | np.ndarray):
            array = array_of(value)
            loose = not isinstance(value, Tensor) or value.is_leaf
            if loose and id(value) not in saved and array is not None:
                words[path] = f"{LOOSE} {_sum(array)}"
        elif module is not None and above in modules:
            plain = _in_words(value)
            if plain:
                words[path] = plain
    return words


def _shown(words: dict[str, str], name: str) -> str:
    return files.printable(words[name], 60) if name in words else "not there"


def _sum(array: NDArray[Any]) -> str:
    """A checksum of an array, with its shape."""
    content = b"" if array.dtype.hasobject else array.tobytes()
    return f"{array.dtype}{list(array.shape)} {zlib.crc32(content):08x}"


def _in_words(value: Any) -> str:
    """A number, text, a short list of them, or the name of a function; "" for anything else."""
    if isinstance(value, list | tuple):
        return str([_in_words(each) for each in value]) if len(value) <= 8 else ""
    if isinstance(value, bool | int | float | str | None):
        return arguments.shown(value)
    return str(getattr(value, "__name__", "")) if callable(value) else ""


def _check_names(what: str, own: dict[str, Any], given: dict[str, Any]) -> None:
    missing = [name for name in own if name not in given]
    if missing:
        raise ValueError(
            f"the {what} {arguments.shown(missing[0])} was not there when it was saved"
        )
    unexpected = [name for name in given if name not in own]
    if unexpected:
        raise ValueError(f"it has a {what} {arguments.shown(unexpected[0])}, which is not there")
