"""Containers: modules made of other modules, or of parameters, by position or by name."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self, TypeAlias

import numpy as np

from tinygrad_lite import Tensor, arguments

from .._paths import locate
from ..module import Module
from ..parameter import Parameter
from ..reflection import tensors_first

Named: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]] | None


class _Container(Module):
    """Parts by name, in order: they are attributes too, and what `named_parts` begins with."""

    _parts: dict[str, Any]
    _what = "module"  # the word for a part

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Only Sequential calls its modules."""
        raise NotImplementedError(
            "it holds its parts and cannot be called; call them one by one, or use Sequential"
        )

    def _checked(self, part: Any, name: str) -> Any:
        """The part as it is held; an error if it cannot be one."""
        return None if part is None else _module_or_function(self, part, f"{self._what} {name}")

    def named_parts(self) -> Iterator[tuple[Any, Any]]:
        """The parts, and the attributes that a subclass added."""
        added = [(name, value) for name, value in vars(self).items() if name != "_parts"]
        return tensors_first([*self._parts.items(), *added], self.registered_buffers)

    def __getattr__(self, name: str) -> Any:
        """A part, by its name."""
        if name == "_parts":
            raise AttributeError(f"{type(self).__name__}: call super().__init__() first")
        parts = vars(self).get("_parts", {})
        return parts[name] if name in parts else object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace the part of this name, if there is one; else set an attribute."""
        if name in vars(self).get("_parts", {}):
            self._parts[name] = self._checked(value, name)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self).get("_parts", {}):
            del self._parts[name]
        else:
            object.__delattr__(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """For copy.copy: a copy that holds the same parts, and can get others."""
        return {**vars(self), "_parts": dict(self._parts)}

    def add_module(self, name: str, module: Any) -> None:
        """Put in a part of this name, or replace it."""
        self._check_name("add_module", name, self._parts)
        self._parts[name] = self._checked(module, name)

    register_module = add_module

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *filter(str.isidentifier, self._parts)]

    def __len__(self) -> int:
        """The number of parts."""
        return len(self._parts)


class _Series(_Container):
    """Parts by position: their names are "0", "1", ..."""

    def __init__(self, parts: Iterable[Any] = ()) -> None:
        self._parts = {}
        self.extend(parts)

    def __setattr__(self, name: str, value: Any) -> None:
        """Of modules, `series.name = module` adds one, as in PyTorch, or replaces it."""
        if isinstance(value, Module) and self._what != "value" and "_parts" in vars(self):
            self.add_module(name, value)
        else:
            super().__setattr__(name, value)

    def append(self, part: Any) -> Self:
        """Add one at the end."""
        name = str(len(self))
        part = self._checked(part, name)
        if name in self._parts:  # the names of a slice begin later
            self._parts = _numbered(self)
        self._parts[name] = part
        return self

    def extend(self, parts: Iterable[Any]) -> Self:
        """Add several at the end."""
        if isinstance(parts, Tensor | np.ndarray) or not isinstance(parts, Iterable):
            raise arguments.wrong(f"{type(self).__name__}: {self._what}s", "a list of them", parts)
        for part in list(parts):
            self.append(part)
        return self

    def insert(self, index: int, part: Any) -> Self:
        """Add one before the position `index`; all are numbered anew."""
        before = arguments.integer(index, f"{type(self).__name__}: index")
        if before != len(self):
            before = self._position(before)
        parts = list(self)
        parts.insert(before, self._checked(part, str(before)))
        self._parts = _numbered(parts)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take one out and return it; the others are numbered anew."""
        part = self[index]
        del self[index]
        return part

    def __getitem__(self, index: int | slice) -> Any:
        """One part; for a slice, a container of these same parts (not copies)."""
        if isinstance(index, slice):
            return self._made(dict(list(self._parts.items())[index]))
        return list(self)[self._position(index)]

    def __setitem__(self, index: int, part: Any) -> None:
        name = list(self._parts)[self._position(index)]
        self._parts[name] = self._checked(part, name)

    def __delitem__(self, index: int | slice) -> None:
        parts = list(self)
        del parts[index if isinstance(index, slice) else self._position(index)]
        self._parts = _numbered(parts)

    def __iter__(self) -> Iterator[Any]:
        """The parts, first to last."""
        return iter(self._parts.values())

    def __contains__(self, part: object) -> bool:
        return any(part is own for own in self)

    def __add__(self, other: Iterable[Any]) -> Any:
        """A container of the parts of both."""
        return self._made({}).extend(self).extend(other)

    def __iadd__(self, other: Iterable[Any]) -> Self:
        return self.extend(other)

    def _made(self, parts: dict[str, Any]) -> Any:
        """Another container of this kind, whatever a subclass asks of its constructor."""
        raise NotImplementedError

    def _position(self, index: Any) -> int:
        """The index, counted from the start; an error if there is none such."""
        name, length = type(self).__name__, len(self)
        position: int = arguments.integer(index, f"{name}: index")
        if not -length <= position < length:
            raise IndexError(f"{name}: index {position} is out of range for {length} {self._what}s")
        return position % length


class Sequential(_Series):
    """y = layers[-1](... layers[1](layers[0](x))); x itself if there are no layers.

        model = Sequential(Flatten(), Linear(784, 1024), ReLU(), Linear(1024, 10))
        model[1], len(model), model[:2]
        Sequential({"hidden": Linear(784, 1024), "act": Tensor.tanh}).hidden

    layers: modules, or any functions of one argument (`Tensor.tanh`); or one dict of them by name.
    Their names, otherwise "0", "1", ..., are those in the state.  A slice keeps its layers' names.
    A module that is set as an attribute, `model.last = ReLU()`, is a layer too, the last one.
    """

    _what = "layer"

    def __init__(self, *layers: Any) -> None:
        self._parts = {}
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            for name, layer in layers[0].items():
                self._check_name("Sequential", name, ())
                self._parts[name] = self._checked(layer, name)
        else:
            self.extend(layers)

    def _checked(self, part: Any, name: str) -> Any:
        return _module_or_function(self, part, f"layer {name}")

    def forward(self, x: Any) -> Any:
        for name, layer in self._parts.items():
            try:
                x = layer(x)
            except Exception as error:
                locate(error, layer, name)
                raise
        return x

    def __mul__(self, times: int) -> "Sequential":
        """These same layers, `times` times over."""
        times = arguments.integer(times, "Sequential: *", least=1)
        return Sequential(*(list(self) * times))

    __rmul__ = __mul__

    def _made(self, parts: dict[str, Any]) -> "Sequential":
        return Sequential(parts)


class ModuleList(_Series):
    """A list of modules, which a `forward` calls one by one; their names are "0", "1", ...

        self.blocks = ModuleList([Linear(8, 8) for _ in range(3)])

    A plain list in an attribute does the same.  Negative indices, slices, `append`, `extend`,
    `insert`, `pop`, `del` and `+` are those of a list.

    modules: modules, functions, or None for one that is left out.
    """

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__(() if modules is None else modules)

    def _made(self, parts: dict[str, Any]) -> "ModuleList":
        return ModuleList(parts.values())


class ParameterList(_Series):
    """A list of parameters: what is put in becomes a `Parameter`, unless it is one.

    values: Tensors and arrays.
    """

    _what = "value"

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__(() if values is None else values)

    def _checked(self, part: Any, name: str) -> Tensor:
        return _parameter(f"ParameterList: values: {name}", part)

    def _made(self, parts: dict[str, Any]) -> "ParameterList":
        return ParameterList(parts.values())


class _Named(_Container, MutableMapping[str, Any]):
    """Parts by name, in the order in which they were put in; a dict, and attributes as well."""

    __eq__ = object.__eq__  # one module is not another, whatever they hold
    __hash__ = object.__hash__

    def __init__(self, parts: Named) -> None:
        self._parts = {}
        try:
            pairs = dict(() if parts is None else parts)
        except (TypeError, ValueError):
            where, expected = (
                f"{type(self).__name__}: {self._what}s",
                "a dict, or pairs with a name",
            )
            raise arguments.wrong(where, expected, parts) from None
        self.update(pairs)

    def __getitem__(self, name: str) -> Any:
        """The part of this name; KeyError if there is none."""
        return self._parts[self._known(name)]

    def __setitem__(self, name: str, part: Any) -> None:
        self._check_name(f"{type(self).__name__}: {self._what}s", name, self._parts)
        self._parts[name] = self._checked(part, name)

    def __delitem__(self, name: str) -> None:
        del self._parts[self._known(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        """d.name = part is d["name"] = part."""
        if isinstance(value, Module | Parameter):
            self[name] = value
        else:
            super().__setattr__(name, value)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._parts)

    def _known(self, name: str) -> str:
        if name not in self._parts:
            names = ", ".join(self._parts) or "nothing"
            raise KeyError(f"{type(self).__name__}: {name!r} is not there; it holds {names}")
        return name


class ModuleDict(_Named):
    """Modules by name: `d["name"]` and `d.name`.

        self.heads = ModuleDict({"value": Linear(8, 1), "policy": Linear(8, 4)})

    A plain dict in an attribute does the same.  It has the methods of a dict.

    modules: a dict, or pairs, of modules, functions, or None for one that is left out.

    Errors: KeyError for a name that holds a dot, is empty, or is a method's, such as "keys".
    """

    def __init__(self, modules: Named = None) -> None:
        super().__init__(modules)


class ParameterDict(_Named):
    """Parameters by name: `d["name"]` and `d.name`; what is put in becomes a `Parameter`.

    values: a dict, or pairs, of Tensors and arrays.
    """

    _what = "parameter"

    def __init__(self, parameters: Named = None) -> None:
        super().__init__(parameters)

    def _checked(self, part: Any, name: str) -> Tensor:
        return _parameter(f"ParameterDict: parameters: {name}", part)


def _numbered(parts: Iterable[Any]) -> dict[str, Any]:
    return {str(position): part for position, part in enumerate(parts)}


def _module_or_function(container: Module, part: Any, place: str) -> Any:
    """The part, if it can be called with the result of another."""
    name, kind = type(container).__name__, type(part).__name__
    if isinstance(part, type):
        kind = part.__name__
        raise TypeError(f"{name}: {place} is the class {kind}; write {kind}()")
    if not callable(part):
        hint = "; write Sequential(*layers)" if isinstance(part, list | tuple) else ""
        raise TypeError(f"{name}: expected modules or functions; got {kind} as {place}{hint}")
    return part


def _parameter(where: str, part: Any) -> Tensor:
    """The parameter itself, or one made of a tensor or an array."""
    if not isinstance(part, Tensor | np.ndarray):
        raise arguments.wrong(where, "a Tensor or an ndarray", part)
    if isinstance(part, Parameter):
        return part
    if part.dtype.kind != "f":
        raise TypeError(f"{where}: expected floats, which have gradients; got {part.dtype}")
    return Parameter(part)
