"""Functions as modules."""

from collections.abc import Callable
from typing import Any

from tinygrad_lite import arguments

from ..module import Module


class Identity(Module):
    """y = x, for a layer that is left out; any arguments are taken, and not used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x


class Lambda(Module):
    """y = function(x): any function as a module.

        Lambda(lambda x: x.mean((2, 3)))

    Sequential takes the function itself as well.  What the function uses is not looked into:
    modules and parameters have to be held in an attribute.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = arguments.function(function, "Lambda: function")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)
