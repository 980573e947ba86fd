"""What `names=` means everywhere in show/: a Module, or a mapping of names to tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...arrays.arguments import wrong
from ...engine.graph import Array, Node, TensorBase
from .keeping import source_of


@dataclass(slots=True)
class Names:
    """The names of tensors, and the structure of the model that they come from.

    tensors  by name: "layers.0.weight"
    modules  the classes of the modules by path: {"": "Sequential", "layers.0": "Linear"}; empty if
             the names came from a mapping
    by_node  the name of each tensor with a node; several names are joined by " = "
    by_data  the same by the identity of the tensor's array, for tensors without a node, and for
             those that share the array of a parameter, as in a state_dict
    all_by_data  every name of a parameter, by the identity of its array
    """

    tensors: dict[str, TensorBase] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    by_node: dict[Node, str] = field(default_factory=dict)
    by_data: dict[int, str] = field(default_factory=dict)
    all_by_data: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Any, caller: str) -> "Names":
        """The names in a Module or a mapping; none for None.

        caller  the function that was called, for the message of a TypeError
        """
        found = cls()
        if names is None:
            return found
        if isinstance(names, Mapping):
            found.tensors = dict(names)
        elif callable(getattr(names, "named_modules", None)):
            found.modules = {path: type(module).__name__ for path, module in names.named_modules()}
            found.tensors = {**dict(names.named_buffers()), **dict(names.named_parameters())}
            for name, tensor in _with_duplicates(names):
                found.all_by_data.setdefault(id(tensor._data), []).append(name)
        else:
            what = "a Module, or a mapping of names to Tensors, such as "
            raise wrong(f"{caller}: names", f"{what}nn.state.get_state_dict(model)", names)
        for name, tensor in found.tensors.items():
            if not isinstance(tensor, TensorBase):
                raise wrong(f"{caller}: names[{name!r}]", "a Tensor", tensor)
            found._add(str(name), tensor)
            if not found.modules:
                found.all_by_data.setdefault(id(tensor._data), []).append(str(name))
        return found

    def _add(self, name: str, tensor: TensorBase) -> None:
        node = tensor._node
        if node is not None:
            self.by_node[node] = f"{self.by_node[node]} = {name}" if node in self.by_node else name
        key = id(tensor._data)
        self.by_data[key] = f"{self.by_data[key]} = {name}" if key in self.by_data else name

    def all_of(self, leaf: Node) -> list[str]:
        """Every name of a parameter: one that two modules share has several."""
        holder = leaf.holder() if leaf.holder is not None else None
        found = None if holder is None else self.all_by_data.get(id(holder._data))
        name = self.of_node(leaf)
        return found or ([] if name is None else [name])

    def of_node(self, node: Node) -> str | None:
        """The name of the tensor that a node made; None if it has none."""
        if node in self.by_node:
            return self.by_node[node]
        holder = node.holder() if node.holder is not None else None
        return None if holder is None else self.by_data.get(id(holder._data))

    def of_array(self, array: Array) -> str | None:
        """The name of the tensor that has this array, or had it when it was kept; else None."""
        source = source_of(array)
        name = self.by_data.get(id(array))
        return self.by_data.get(id(source)) if name is None else name


def _with_duplicates(module: Any) -> list[tuple[str, TensorBase]]:
    """The named parameters of a module, a shared one under each of its names if it tells them."""
    try:
        return list(module.named_parameters(remove_duplicate=False))
    except TypeError:  # an object with a simpler method of that name
        return list(module.named_parameters())
