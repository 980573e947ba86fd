"""Module: a part of a model that finds its own parameters and names itself in errors."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Observer, Tensor, arguments

from ._other_names import MODULES, OtherName
from ._paths import locate, named
from .reflection import complete, contents, find, walk
from .state import parameters_among

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result", covariant=True)


class HasForward(Protocol[Inputs, Result]):
    """A class with a `forward`, whose arguments and result a type checker sees in a call."""

    def forward(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        """The result of the module."""
        ...


class Module:
    """A part of a model.  Write `forward`, and call the object.

        class Residual(Module):
            def __init__(self, width: int):
                self.inner = Linear(width, width)

            def forward(self, x: Tensor) -> Tensor:
                return x + self.inner(x).relu()

    Its parameters are the tensors that require grad in its attributes, in the lists, tuples, dicts
    and other objects there, in their attributes, and so on.  There is nothing to register and no
    `super().__init__()` to call.  What is not found there (in a set, in a function's variables) is
    an error, unless an attribute holds it too.  With a reference back to a parent, the parent's
    parameters would count as the child's: hold a `weakref.proxy` to the parent instead.

    An error inside a call names the module's path: `Sequential.layers.1 (Linear): expected ...`.

    training            whether layers such as Dropout behave as in training; True until `eval()`
    registered_buffers  the names of the buffers, and whether each is saved (`register_buffer`)
    """

    training: bool = True
    registered_buffers: Mapping[str, bool] = MappingProxyType({})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the module; every subclass defines it."""
        raise NotImplementedError("forward is not written; add def forward(self, x) to the class")

    def __call__(
        self: HasForward[Inputs, Result], *args: Inputs.args, **kwargs: Inputs.kwargs
    ) -> Result:
        """`forward`, with the module's path in the message of an error."""
        try:
            observer = Observer.current("module")
            if observer is None:
                return self.forward(*args, **kwargs)
            with named(self) as path, observer.module(path):
                return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error, self)
            raise

    def named_parts(self) -> Iterator[tuple[Any, Any]]:
        """What this module holds directly, with names: its attributes.

        Whoever looks through a model asks this.  A container answers with its modules.
        """
        return ((name, part) for name, part in contents(self) if name != "registered_buffers")

    def register_buffer(
        self, name: str, value: Tensor | NDArray[Any] | None, persistent: bool = True
    ) -> None:
        """Set the attribute `name` to a tensor that is not trained and belongs to the state.

        value       an ndarray is copied into a Tensor; None for no tensor yet.  The attribute may
                    be assigned again
        persistent  whether `state_dict` lists it
        """
        self._check_name("register_buffer", name)
        if value is not None and not isinstance(value, Tensor | np.ndarray):
            raise arguments.wrong("register_buffer: value", "a Tensor, an ndarray or None", value)
        if isinstance(value, Tensor) and value.requires_grad and value.is_leaf:
            raise ValueError(
                f"register_buffer: {name} requires grad, and so is a parameter; "
                f"write self.{name} = tensor, or detach() it first"
            )
        saved = arguments.flag(persistent, "register_buffer: persistent")
        setattr(self, name, Tensor(value) if isinstance(value, np.ndarray) else value)
        self.registered_buffers = {**self.registered_buffers, name: saved}

    def _check_name(self, caller: str, name: str) -> None:
        """Raise unless an attribute of this name can be registered."""
        if not isinstance(name, str) or not name or "." in name:
            raise arguments.wrong(f"{caller}: name", "text without a dot", name)
        if hasattr(self, name) and name not in self.registered_buffers:
            raise KeyError(f"{caller}: {type(self).__name__} has an attribute {name} already")

    def parameters(self) -> Iterator[Tensor]:
        """The parameters, each once, in the order of the attributes; frozen ones too."""
        return iter([parameter for _, parameter in self.named_parameters()])

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters, each once, with its first path ("layers.0.weight"); frozen ones too."""
        return iter(parameters_among(complete("get_parameters", self)))

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set `training` in this module and all modules inside it; returns the module itself."""
        for part in complete("train", self):
            if isinstance(part.value, Module):
                part.value.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all modules inside it to evaluation: `train(False)`."""
        return self.train(False)

    def extra_repr(self) -> str:
        """The text inside the parentheses of the repr: the options of this layer."""
        return ""

    def __dir__(self) -> Iterable[str]:
        """The names that are there, without those that only say what to write instead."""
        return [name for name in super().__dir__() if name not in MODULES or hasattr(self, name)]

    def __repr__(self) -> str:
        """The modules inside, indented, each with its number of parameters."""
        lines: list[str] = []
        around: list[str] = []  # the paths of the modules that contain the current one
        seen: set[int] = set()
        for path, module in walk(self):
            if not isinstance(module, Module) or id(module) in seen:
                continue
            seen.add(id(module))
            while around and around[-1] and not path.startswith(f"{around[-1]}."):
                around.pop()
            label = path[len(around[-1]) :].lstrip(".") + ": " if around else ""
            count = sum(parameter.numel() for _, parameter in parameters_among(find(module)))
            noted = f"  # {count:,} parameter{'s' * (count != 1)}" if count else ""
            lines.append(
                f"{'  ' * len(around)}{label}{type(module).__name__}({module.extra_repr()}){noted}"
            )
            around.append(path)
        return "\n".join(lines)


for _name in MODULES:
    setattr(Module, _name, OtherName(_name))
