"""The base class of all optimisers: the parameters, their state, and the step."""

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_lite import Tensor

from ..module import Module
from .chunks import Array, Chunks, SpareArrays, State


class Optimizer:
    """Updates parameters in place, using the gradients that `backward` left in `.grad`.

    A subclass writes `apply_single`, the formula.

        class SignSGD(Optimizer):
            def apply_single(self, gradient, parameter, state):
                parameter -= self.lr * np.sign(gradient)

    params  the tensors to train (leaves that require grad): `nn.state.get_parameters(model)`
    lr      the learning rate; may be assigned at any time
    state   one dict per parameter: "step", the number of updates, and the arrays that `keeps`
            names, which have the parameter's shape and start as zeros

    Errors: TypeError if `params` are not tensors; ValueError if there are none, if one does not
    require grad or occurs twice, and for a negative option.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.state: list[State] = [{"step": 0} for _ in self.params]
        self._spare = SpareArrays()
        self._check(lr=lr)

    def keeps(self) -> tuple[str, ...]:
        """The names of the arrays to keep for every parameter."""
        return ()

    def apply_single(self, gradient: Array, parameter: Array, state: State) -> None:
        """Update `parameter` and the arrays in `state` in place.

        All are 1-d arrays of the same length, the same chunk of each; `gradient` must not be
        written to.  state["step"] is 1 in the first update.  Several threads may call this at the
        same time, each with other chunks.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply_single")

    def step(self) -> None:
        """Update every parameter that has a gradient; the others stay the same.

        Errors, before anything is written: RuntimeError if no parameter has a gradient, and
        ValueError if one or its gradient changed its shape or cannot be written.
        """
        due = [
            (position, parameter, parameter.grad)
            for position, parameter in enumerate(self.params)
            if parameter.grad is not None
        ]
        if not due:
            raise RuntimeError(
                "step: no parameter has a gradient; call loss.backward() first, and make the "
                "optimizer after the model, from the parameters that the model uses"
            )
        names = self.keeps()
        for position, parameter, gradient in due:
            self._check_update(position, parameter, gradient, names)
        for _, parameter, _ in due:  # before there are chunks, which hold the arrays
            parameter.mark_changed()
        chunks = Chunks()
        for position, parameter, gradient in due:
            state = self.state[position]
            for name in names:
                if name not in state:
                    state[name] = np.zeros_like(parameter.data)
            state["step"] += 1
            chunks.add(parameter.data, gradient.data, state, names)
        chunks.apply(self.apply_single)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.params:
            parameter.grad = None

    def _check_update(
        self, position: int, parameter: Tensor, gradient: object, names: Iterable[str]
    ) -> None:
        """Raise unless the parameter can be updated with this gradient."""
        if not isinstance(gradient, Tensor) or gradient.shape != parameter.shape:
            got = gradient.shape if isinstance(gradient, Tensor) else type(gradient).__name__
            raise ValueError(
                f"step: parameter {position} has shape {parameter.shape}; expected a Tensor of "
                f"that shape as its gradient; got {got}"
            )
        if not parameter.data.flags.writeable:
            raise ValueError(f"step: parameter {position} is read-only; assign a copy to its data")
        for name in names:
            kept = self.state[position].get(name)
            if kept is not None and kept.shape != parameter.shape:
                raise ValueError(
                    f"step: parameter {position} has shape {parameter.shape}; it had {kept.shape} "
                    "in the last step; make a new optimizer"
                )

    def _check(self, **options: float) -> None:
        """Raise unless the options are finite and not negative."""
        for name, value in options.items():
            try:
                fits = 0 <= value < math.inf
            except TypeError:
                raise TypeError(
                    f"{type(self).__name__}: expected {name} as a number; got {value!r}"
                ) from None
            if not fits:
                raise ValueError(
                    f"{type(self).__name__}: expected {name} to be 0 or more; got {value}"
                )


def _checked(name: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list, if an optimiser can train them."""
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: expected a list of Tensors; got one Tensor; write [tensor]")
    if isinstance(params, Module) or not isinstance(params, Iterable):
        raise TypeError(
            f"{name}: expected a list of Tensors; got a {type(params).__name__}; "
            "write nn.state.get_parameters(model)"
        )
    found = list(params)
    if not found:
        raise ValueError(
            f"{name}: got no parameters; those of a model are its Tensors with requires_grad=True"
        )
    first: dict[int, int] = {}
    for position, parameter in enumerate(found):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"{name}: expected Tensors; got a {type(parameter).__name__} at position {position}"
            )
        where = f"parameter {position}, of shape {parameter.shape},"
        if not parameter.is_leaf:
            raise ValueError(
                f"{name}: {where} was computed by {parameter.op}; only leaves can be trained: "
                "pass the tensors it was computed from, or detach() it and set requires_grad"
            )
        if not parameter.requires_grad:
            raise ValueError(
                f"{name}: {where} does not require grad; make it with requires_grad=True, or "
                "leave it out"
            )
        if id(parameter) in first:
            raise ValueError(
                f"{name}: {where} is parameter {first[id(parameter)]} again; pass each one once"
            )
        first[id(parameter)] = position
    return found
