"""A module as a part of a snapshot."""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments

from .._repr import tree
from ..module import Module
from ..reflection import Found, complete
from ..state import parameters_among
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


class ModulePart(Part):
    """A model: its parameters and buffers, their gradients, and what is frozen and in training.

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
        parameters, buffers = self._found()
        return {
            "parameters": {name: each.data for name, each in parameters.items()},
            "buffers": {name: array_of(part.value) for name, part in buffers.items()},
            "gradients": {
                name: each.grad.data for name, each in parameters.items() if each.grad is not None
            },
            "frozen": [name for name, each in parameters.items() if not each.requires_grad],
            "training": {name: each.training for name, each in self._modules().items()},
            "outline": self._outline(),
            "own": self.value.state_dict() if self.own_dict else None,
        }

    def check(self, state: Any) -> None:
        """The same names, shapes and dtypes."""
        kinds = {
            "parameters": dict, "buffers": dict, "gradients": dict, "frozen": list,
            "training": dict, "outline": list, "own": dict if self.own_dict else type(None),
        }  # fmt: skip
        check_kinds(state, kinds)
        parameters, buffers = self._found()
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
        if not all(isinstance(line, str) for line in state["outline"]):
            raise ValueError("outline: expected lines of text")

    def load(self, state: Any, undo: Undo) -> None:
        """Write into the tensors that are there, so that optimisers keep their parameters."""
        if self.own_dict:
            super().load(state["own"], undo)
        parameters, buffers = self._found()
        frozen = set(state["frozen"])
        for name, tensor in parameters.items():
            write(tensor, state["parameters"].pop(name), undo)
            set_gradient(tensor, state["gradients"].pop(name, None), undo)
            undo.callback(set_requires_grad, tensor, tensor.requires_grad)
            set_requires_grad(tensor, name not in frozen)
        for name, part in buffers.items():
            write_buffer(part, name.rpartition(".")[2], state["buffers"].pop(name), undo)
        for name, module in self._modules().items():
            if name in state["training"]:
                undo.callback(setattr, module, "training", module.training)
                module.training = state["training"][name]

    def remarks(self, state: Any) -> str:
        """Another layer or function, which has no tensors."""
        for own, other in zip_longest(self._outline(), state["outline"], fillvalue=""):
            if own != other:
                had = arguments.shown(other.strip()) if other else "nothing there"
                return f"has {own.strip() or 'nothing'!r}, where it had {had}"
        return ""

    def tensors(self) -> Iterator[Tensor]:
        """The parameters."""
        return iter(self._found()[0].values())

    def _found(self) -> tuple[dict[str, Tensor], dict[str, Found]]:
        """The parameters and the buffers, by name."""
        found = complete("Snapshot", self.value)
        parameters = parameters_among(found)
        taken = {id(tensor) for _, tensor in parameters}
        buffers = [
            (part.path, part)
            for part in found
            if part.buffer is not None and id(part.value) not in taken
        ]
        by_name = dict(parameters), dict(buffers)
        seen: set[str] = set()
        for name, _ in (*parameters, *buffers):
            if name in seen:
                raise ValueError(f"Snapshot: two tensors are called {name!r}; rename a dict key")
            seen.add(name)
        return by_name

    def _modules(self) -> dict[str, Module]:
        found = complete("Snapshot", self.value)
        return {part.path: part.value for part in found if isinstance(part.value, Module)}

    def _outline(self) -> list[str]:
        """The repr without counts and addresses: layers, their options, functions."""
        lines = [line.partition("  # ")[0] for line in tree(self.value).split("\n")]
        return [re.sub("0x[0-9a-fA-F]+", "0x", line) for line in lines]


def _check_names(what: str, own: dict[str, Any], given: dict[str, Any]) -> None:
    missing = [name for name in own if name not in given]
    if missing:
        raise ValueError(
            f"the {what} {arguments.shown(missing[0])} was not there when it was saved"
        )
    unexpected = [name for name in given if name not in own]
    if unexpected:
        raise ValueError(f"it has a {what} {arguments.shown(unexpected[0])}, which is not there")
