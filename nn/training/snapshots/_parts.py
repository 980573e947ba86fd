"""The parts of a snapshot that are not modules, and the choice of the part for an object."""

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments, generator

from ...module import Module
from ...optim import Optimizer
from ...optim.saving import saved_groups
from ._in_place import Undo, check_array, check_gradient, set_gradient, write
from ._module_part import ModulePart
from ._part import Part, changes, check_kinds, listed

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")  # of NumPy


class OptimizerPart(Part):
    """An optimiser: its options and its whole state, even what its options do not use now."""

    kind = "optimizer"
    labels: ClassVar[dict[str, str]] = {"unused": ".unused"}

    def __init__(self, value: Optimizer) -> None:
        super().__init__(value)
        self.own_dict = type(value).state_dict is not Optimizer.state_dict
        self.own_step = type(value).step is not Optimizer.step

    def state(self) -> Any:
        """What `state_dict` gives, without copies."""
        made = {name: deepcopy(each) for name, each in self.value.defaults.items()}
        if self.own_dict:
            return {"used": self.value.state_dict(), "unused": {}, "made_with": made}
        used: dict[int, Any] = {}
        unused: dict[int, Any] = {}
        position = 0
        for group in self.value.param_groups:
            names = (*self.value.numbers(group), *self.value.keeps(group))
            for parameter in group["params"]:
                for name, each in self.value.state.get(parameter, {}).items():
                    found = used if self.own_step or name in names else unused
                    found.setdefault(position, {})[name] = each
                position += 1
        groups = saved_groups(self.value.param_groups)
        state = {"state": used, "param_groups": groups}
        return {"used": state, "unused": unused, "made_with": made}

    def check(self, state: Any) -> None:
        """What is not used belongs to a parameter.  The rest is checked when it is loaded."""
        check_kinds(state, {"used": dict, "unused": dict, "made_with": dict})
        shapes = [parameter.shape for parameter in self.value.params]
        for position, entry in state["unused"].items():
            known = type(position) is int and 0 <= position < len(shapes)
            if not known or not isinstance(entry, dict):
                raise ValueError(
                    f"it has a state for {arguments.shown(position)}, which is not there"
                )
            for name, array in entry.items():
                fits = isinstance(array, np.ndarray) and array.shape in ((), shapes[position])
                if not isinstance(name, str) or not fits or array.dtype.kind != "f":
                    raise ValueError(f"parameter {position}: {name} does not fit")

    def load(self, state: Any, undo: Undo) -> None:
        """`load_state_dict`, and what is not used now."""
        undo.callback(self._restore, self._before())
        self.value.load_state_dict(state["used"])
        params = self.value.params
        for position, entry in state["unused"].items():
            for name, array in entry.items():
                like = array if array.shape == () else params[position].data
                kept = np.empty_like(like, array.dtype)
                np.copyto(kept, array)
                self.value.state[params[position]][name] = kept

    def remarks(self, state: Any) -> str:
        """Options of the program that differ from the saved ones, which are used."""
        changed = changes(state["made_with"], dict(self.value.defaults))
        if not changed:
            return ""
        return f"{listed(changed)}: the saved ones hold until others are assigned"

    def _before(self) -> Any:
        kept = {
            parameter: {name: deepcopy(each) for name, each in entry.items()}
            for parameter, entry in self.value.state.items()
        }
        return kept, [dict(group) for group in self.value.param_groups]

    def _restore(self, before: Any) -> None:
        kept, groups = before
        self.value.state.clear()
        self.value.state.update(kept)
        for group, options in zip(self.value.param_groups, groups, strict=True):
            for name in set(group) - set(options):
                del group[name]
            group.update(options)


class GeneratorPart(Part):
    """A np.random.Generator."""

    kind = "generator"

    @property
    def name(self) -> str:
        """The algorithm."""
        return type(self.value.bit_generator).__name__

    def state(self) -> Any:
        """Its state."""
        return generator.get_state(self.value)

    def check(self, state: Any) -> None:
        """Loaded into another generator of the same algorithm."""
        generator.set_state(state, np.random.Generator(type(self.value.bit_generator)()))

    def load(self, state: Any, undo: Undo) -> None:
        """Restore the state: the same numbers follow."""
        undo.callback(generator.set_state, self.state(), self.value)
        generator.set_state(state, self.value)


class TensorPart(Part):
    """A single tensor."""

    kind = "tensor"
    labels: ClassVar[dict[str, str]] = {"grad": ".grad"}

    def state(self) -> Any:
        """The values, and the gradient."""
        gradient = None if self.value.grad is None else self.value.grad.data
        return {"value": self.value.data, "grad": gradient}

    def check(self, state: Any) -> None:
        """The same shape and dtype."""
        check_kinds(state, {"value": np.ndarray, "grad": np.ndarray | None})
        check_array("the tensor", self.value.data, state["value"])
        if state["grad"] is not None:
            check_gradient("the tensor", self.value.shape, state["grad"])

    def load(self, state: Any, undo: Undo) -> None:
        """Write into the tensor."""
        write(self.value, state.pop("value"), undo)
        set_gradient(self.value, state.pop("grad"), undo)

    def tensors(self) -> dict[str, Tensor]:
        """The tensor."""
        return {"": self.value}


def part_of(name: str, value: Any) -> Part:
    """The part for an object of a user; TypeError if it cannot be saved."""
    if isinstance(value, Module):
        return ModulePart(value)
    if isinstance(value, Optimizer):
        return OptimizerPart(value)
    if isinstance(value, Tensor):
        return TensorPart(value)
    if isinstance(value, np.random.Generator):
        part = GeneratorPart(value)
        if part.name not in GENERATORS:
            kinds = ", ".join(GENERATORS)
            raise TypeError(f"Snapshot: {name}: expected a generator ({kinds}); got a {part.name}")
        return part
    methods = ("state_dict", "load_state_dict")
    if isinstance(value, type) or not all(callable(getattr(value, x, None)) for x in methods):
        expected = "a Module, an optimiser, a Generator, or a state_dict and a load_state_dict"
        raise arguments.wrong(f"Snapshot: {name}", expected, value)
    return Part(value)
