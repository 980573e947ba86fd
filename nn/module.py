"""Module: a part of a model that finds its own parameters and names itself in errors."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Observer, Tensor, arguments

from ._evaluation import mode_was_set
from ._lists import Lists
from ._notebook import Notebook, of_module
from ._other_names import MODULES, OtherName
from ._paths import locate, named
from ._repr import tree
from .parameter import Parameter
from .reflection import complete, contents, inside, tensors_first
from .state import IncompatibleKeys, Values, get_state_dict, load_state_dict

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result", covariant=True)


class HasForward(Protocol[Inputs, Result]):
    """A class with a `forward`, whose arguments and result a type checker sees in a call."""

    def forward(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        """The result of the module."""
        ...


class Module(Lists, Notebook):
    """A part of a model.  Write `forward`, and call the object.

        class Residual(Module):
            def __init__(self, width: int):
                self.inner = Linear(width, width)

            def forward(self, x: Tensor) -> Tensor:
                return x + self.inner(x).relu()

    Its parameters are the tensors that require grad, or did before they were frozen, in its
    attributes, in the lists, tuples, dicts and other objects there, in their attributes, and so on.
    No parameter has to be registered, and there is no `super().__init__()` to call.  Its state is
    its parameters and the buffers that it registers (`register_buffer`); any other tensor in an
    attribute is neither trained nor saved.  A parameter where it is not found (in a set, in a
    function's variables) is an error, unless an attribute holds it too.  With a reference back to
    a parent, the parent's parameters would count as the child's: hold a `weakref.proxy` to it.

    An error inside a call names the module's path: `Sequential.1 (Linear): expected ...`.

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
        """What this module holds directly, with names: its attributes, tensors first.

        Whoever looks through a model asks this; a container answers with its modules.
        """
        return tensors_first(contents(self), self.registered_buffers)

    def register_buffer(
        self, name: str, tensor: Tensor | NDArray[Any] | None, persistent: bool = True
    ) -> None:
        """Set the attribute `name` to a tensor that is not trained and belongs to the state.

        tensor      an ndarray is copied into a Tensor; None for no tensor yet.  The attribute may
                    be assigned again
        persistent  whether `state_dict` lists it

        Errors: KeyError for a name that is taken or holds a dot; ValueError if it requires grad.
        """
        saved = arguments.flag(persistent, "register_buffer: persistent")
        self._check_name("register_buffer", name, self.registered_buffers)
        if not isinstance(tensor, Tensor | np.ndarray | None):
            raise arguments.wrong("register_buffer: tensor", "a Tensor, an ndarray or None", tensor)
        if isinstance(tensor, Tensor) and tensor.requires_grad and tensor.is_leaf:
            raise ValueError(
                f"register_buffer: {name} requires grad, so it is a parameter; "
                f"write self.{name} = tensor, or detach() it"
            )
        setattr(self, name, Tensor(tensor) if isinstance(tensor, np.ndarray) else tensor)
        self.registered_buffers = {**self.registered_buffers, name: saved}

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """PyTorch's way to write `self.name = param` where the name is computed."""
        if not isinstance(param, Parameter | None):
            raise arguments.wrong("register_parameter: param", "a Parameter or None", param)
        replaced = [old for old, x in vars(self).items() if isinstance(x, Parameter | None)]
        self._check_name("register_parameter", name, replaced)
        setattr(self, name, param)

    def add_module(self, name: str, module: "Module | None") -> None:
        """PyTorch's way to write `self.name = module` where the name is computed."""
        if not isinstance(module, Module | None):
            raise arguments.wrong("add_module: module", "a Module or None", module)
        replaced = [old for old, x in vars(self).items() if isinstance(x, Module | None)]
        self._check_name("add_module", name, replaced)
        setattr(self, name, module)

    register_module = add_module

    def _check_name(self, caller: str, name: str, replaced: Collection[str]) -> None:
        """Raise unless a part can have this name, anew or as one of those that may be replaced."""
        if not isinstance(name, str):
            raise arguments.wrong(f"{caller}: name", "text", name)
        if not name or "." in name:
            raise KeyError(f"{caller}: name: expected text without a dot; got {name!r}")
        if hasattr(self, name) and name not in replaced:
            raise KeyError(f"{caller}: {type(self).__name__} has an attribute {name!r} already")

    def state_dict(
        self,
        destination: dict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Tensor]:
        """The parameters and the saved buffers by path, as `nn.state.get_state_dict` finds them.

        destination  a dict to add them to, and to return; default: a new one
        prefix       put in front of every path as it is: "model."
        keep_vars    True for the tensors themselves; else tensors that share their memory, and do
                     not require grad
        """
        if not isinstance(prefix, str):
            raise arguments.wrong("state_dict: prefix", "text", prefix)
        if not isinstance(destination, dict | None):
            raise arguments.wrong("state_dict: destination", "a dict or None", destination)
        keep = arguments.flag(keep_vars, "state_dict: keep_vars")
        found = {} if destination is None else destination
        for path, tensor in get_state_dict(self).items():
            found[prefix + path] = tensor if keep else tensor.detach()
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Values], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers, by path: `nn.state.load_state_dict`.

        Returns the paths that are missing and unexpected; with strict, they are an error.
        """
        if arguments.flag(assign, "load_state_dict: assign"):
            raise ValueError(
                "load_state_dict: assign: values are always copied, so that optimisers keep their "
                "parameters; cast the model with to(dtype) first"
            )
        return load_state_dict(self, state_dict, strict)

    def train(self, mode: bool = True) -> Self:
        """Set `training` in this module and all modules inside it; returns the module itself.

        A module inside whose class has a `train` of its own is asked to do it.
        """
        mode = arguments.flag(mode, "train: mode")
        done = None  # the path of a module that has set what is inside it
        for path, module, _, _ in complete("train", self):
            if not isinstance(module, Module) or (done is not None and inside(path, done)):
                continue
            if module is self or type(module).train is Module.train:
                module.training = mode
                mode_was_set(module, mode)
            else:
                module.train(mode)
                done = path
        return self

    def eval(self) -> Self:
        """Switch this module and all modules inside it to evaluation: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters, or freeze them; they stay parameters.  Returns the module."""
        flag = arguments.flag(requires_grad, "requires_grad_: requires_grad")
        for parameter in self.parameters():
            parameter.requires_grad_(flag)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None; with set_to_none=False, to zeros."""
        to_none = arguments.flag(set_to_none, "zero_grad: set_to_none")
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if to_none else parameter.grad.detach().zeros_like()

    def to(self, *target: Any, **options: Any) -> Self:
        """Cast the parameters and buffers that are floats, and the gradients; returns the module.

            model.to(np.float64), model.to(tensor), model.to("cpu")

        Arguments are those of `Tensor.to`.  Tensors stay the objects that they are, so an optimiser
        goes on with them.
        """
        wanted = Tensor(0.0).to(*target, **options).dtype
        if wanted.kind != "f":
            raise TypeError(f"to: expected a float dtype, since a module is trained; got {wanted}")
        for path, value, module, buffer in complete("to", self):
            if buffer is not None and isinstance(value, np.ndarray):
                value = Tensor.from_array(value)
                setattr(module, path.rpartition(".")[2], value)
            if not isinstance(value, Tensor) or value.dtype.kind != "f":
                continue
            if value.is_parameter or buffer is not None:
                for tensor in (value, value.grad):
                    if tensor is not None:
                        tensor.data = tensor.detach().to(*target, **options).data
        return self

    def double(self) -> Self:
        """Cast to float64, as `to` does."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Cast to float16, as `to` does."""
        return self.to(np.float16)

    def float(self) -> Self:
        """Cast to float32, as `to` does."""
        return self.to(np.float32)

    def cpu(self) -> Self:
        """The module itself: everything is computed on the CPU."""
        return self

    def extra_repr(self) -> str:
        """The text inside the parentheses of the repr: the options of this layer."""
        return ""

    def _tree_node(self) -> tuple[str, Iterable[tuple[Any, Any]]]:
        return of_module(self)

    def __dir__(self) -> Iterable[str]:
        """The names that are there, without those that only say what to write instead."""
        return [name for name in super().__dir__() if name not in MODULES or hasattr(self, name)]

    def __repr__(self) -> str:
        """The modules and functions inside, indented, with numbers of parameters and shapes."""
        return tree(self)


for _name in MODULES:
    setattr(Module, _name, OtherName(_name))
