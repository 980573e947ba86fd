"""How the functions call what they name: arrays become Tensors, and `inplace` writes."""

from collections.abc import Callable
from typing import Any

from tinygrad_lite import Tensor, arguments

from ..layers._inputs import Input, as_tensor


def applied(
    name: str, input: Input, inplace: bool, function: Callable[..., Tensor], *options: Any
) -> Tensor:
    """function(input, *options); with `inplace` written into the memory of the input.

    What the function saves for the backward pass is then a copy.
    """
    x = as_tensor(input, name)
    if not arguments.flag(inplace, f"{name}: inplace"):
        return function(x, *options)
    return x.copy_(function(x.clone(), *options))


def called(name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """function(*args, **options), in whose errors this name stands in front.

    A layer leaves its name to the call of a Module, or writes its own.
    """
    try:
        return function(*args, **options)
    except (TypeError, ValueError) as error:
        first, _, rest = str(error).partition(": ")
        if first == name:
            raise
        layer = first.isidentifier() and first[0].isupper()
        raise type(error)(f"{name}: {rest if layer else error}") from None


def given(name: str, *inputs: Input | None) -> Any:
    """These as Tensors; None stays None."""
    return [None if x is None else as_tensor(x, name) for x in inputs]


def refuse(name: str, key: str, value: object, usual: object) -> None:
    """Raise unless the argument `key`, which is there for PyTorch's signature, has its default."""
    if value is not usual:
        raise arguments.wrong(f"{name}: {key}", f"{usual}, the only choice here", value)
