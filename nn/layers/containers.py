"""Containers: modules made of other modules."""

from collections.abc import Callable, Iterator
from typing import Any, overload

from tinygrad_lite import arguments

from .._paths import locate
from ..module import Module


class Sequential(Module):
    """y = layers[-1](... layers[1](layers[0](x))); x itself if there are no layers.

        model = Sequential(Flatten(), Linear(784, 1024), ReLU(), Linear(1024, 10))
        model[1], len(model), model[:2]

    layers: modules, or any functions of one argument (`Tensor.tanh`).
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for position, layer in enumerate(layers):
            name = layer.__name__ if isinstance(layer, type) else type(layer).__name__
            if isinstance(layer, type):
                raise TypeError(f"Sequential: layer {position} is the class {name}; write {name}()")
            if not callable(layer):
                hint = "; write Sequential(*layers)" if isinstance(layer, list | tuple) else ""
                raise TypeError(
                    f"Sequential: expected modules or functions; got {name} as layer {position}"
                    + hint
                )
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for position, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except Exception as error:
                locate(error, layer, f"layers.{position}")
                raise
        return x

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...
    def __getitem__(self, index: int | slice) -> Any:
        """One layer; for a slice, a Sequential of these same layers (not copies)."""
        if not isinstance(index, slice):
            index = arguments.integer(index, "Sequential: index")
            if not -len(self.layers) <= index < len(self.layers):
                raise IndexError(
                    f"Sequential: index {index} is out of range for {len(self)} layers"
                )
        found = self.layers[index]
        return Sequential(*found) if isinstance(found, list) else found

    def __len__(self) -> int:
        """The number of layers."""
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        """The layers, first to last."""
        return iter(self.layers)
