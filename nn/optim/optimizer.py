"""Optimisers: they change parameters in place, by the gradients that `backward` left.

An optimiser is a class with one method, `apply_single`, that updates a piece of one parameter in
place.  `Optimizer.step` cuts the arrays into pieces that stay in the processor's cache while the
formula runs over them several times, so a step reads and writes main memory once, and spreads the
pieces over the pool of threads.  SGD with momentum takes a third of the time of the same formula on
whole arrays, which makes six new ones; Adam on ten million parameters 12 ms on two threads, 19 on
one.
"""

import math
from collections.abc import Iterable
from functools import cache
from threading import get_ident
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor
from tinygrad_lite.arrays.threads import spread

from ..module import Module

Array = NDArray[Any]
Piece: TypeAlias = tuple[Array, Array, dict[str, Any]]  # of a gradient, a parameter, and its state

# Elements of a piece.  Smaller ones would fit the level-2 cache, but then the threads, which take
# turns to hold Python's lock between two calls of NumPy, wait for each other: with 16,384 elements
# Adam was no quicker on two threads than on one.  On ten million parameters it took 12 ms with this
# size, 17 with 131,072 and 15 with 262,144: pieces that are all alike keep the threads in step.
PIECE = 196608

# Pieces from which the pool is used.  The threads of BLAS wait busily for 20 ms after a product and
# are in its way: an update of six pieces after backward took a fifth longer on the pool.
WORTH_SPREADING = 20


class Optimizer:
    """What all optimisers share.  A subclass writes `apply_single`.

        class SignSGD(Optimizer):
            def apply_single(self, gradient, parameter, state):
                parameter -= self.lr * np.sign(gradient)

    params  the tensors to train (leaves that require grad): `nn.state.get_parameters(model)`
    lr      the learning rate; assign another whenever you like
    state   for each parameter what the optimiser remembers of it: "step", the number of updates,
            and the arrays that `keeps` names, of the parameter's shape, zero at first

    Errors: TypeError for what are no tensors; ValueError if there are none, if one does not
    require grad or comes twice, and for a negative option.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.state: list[dict[str, Any]] = [{"step": 0} for _ in self.params]
        self._spares: dict[Any, Array] = {}
        self._check(lr=lr)

    def keeps(self) -> tuple[str, ...]:
        """The names of the arrays to keep for every parameter."""
        return ()

    def apply_single(self, gradient: Array, parameter: Array, state: dict[str, Any]) -> None:
        """Update `parameter` and the arrays in `state` in place.

        All are 1-d arrays of one length, up to PIECE elements, and the same part of each; the
        gradient must not be written.  state["step"] is 1 in the first update.  Several threads may
        be at it, each with other pieces.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply_single")

    def step(self) -> None:
        """Update every parameter that has a gradient; the others stay as they are.

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
        for position, parameter, gradient in due:
            self._check_update(position, parameter, gradient)
        works = [
            self._work(parameter.data, gradient.data, self.state[position])
            for position, parameter, gradient in due
        ]
        bundles = _bundles(piece for work in works for piece in work.pieces)
        if len(bundles) >= WORTH_SPREADING:
            spread(self._apply, bundles)
        else:
            for bundle in bundles:
                self._apply(bundle)
        for work in works:
            work.finish()
        for _, parameter, _ in due:
            parameter.mark_changed()

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.params:
            parameter.grad = None

    def _work(self, parameter: Array, gradient: Array, state: dict[str, Any]) -> "_Work":
        """What is to be done for one parameter."""
        for name in self.keeps():
            if name not in state:
                state[name] = np.zeros_like(parameter)
        state["step"] += 1
        return _Work(parameter, gradient, state, self.keeps())

    def _apply(self, bundle: list[Piece]) -> None:
        for gradient, parameter, state in bundle:
            self.apply_single(gradient, parameter, state)

    def _check_update(self, position: int, parameter: Tensor, gradient: object) -> None:
        """Raise unless the parameter can be updated with this gradient."""
        if not isinstance(gradient, Tensor) or gradient.shape != parameter.shape:
            got = gradient.shape if isinstance(gradient, Tensor) else type(gradient).__name__
            raise ValueError(
                f"step: parameter {position} has shape {parameter.shape}; expected a Tensor of "
                f"that shape as its gradient; got {got}"
            )
        if not parameter.data.flags.writeable:
            raise ValueError(f"step: parameter {position} is read-only; assign a copy to its data")
        for name in self.keeps():
            kept = self.state[position].get(name)
            if kept is not None and kept.shape != parameter.shape:
                raise ValueError(
                    f"step: parameter {position} has shape {parameter.shape}; it had {kept.shape} "
                    "in the last step; make a new optimizer"
                )

    def _spare(self, like: Array, number: int = 0) -> Array:
        """An array of this length and dtype to write in; the same memory for a thread's pieces."""
        key = (get_ident(), number, like.dtype)
        if key not in self._spares:
            self._spares[key] = np.empty(PIECE, like.dtype)
        return self._spares[key][: like.size]

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


class _Work:
    """The update of one parameter: its pieces, and what is left to do when they are done."""

    def __init__(
        self, parameter: Array, gradient: Array, state: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        # Axes from the longest stride to the shortest, so that the flat arrays are views, in the
        # order of memory; reshape copies what does not lie in one piece, or in another order.
        self.axes: list[int] | None = None
        if not parameter.flags.c_contiguous:
            strides = parameter.strides
            self.axes = sorted(range(parameter.ndim), key=lambda axis: -abs(strides[axis]))
        self.copies: list[tuple[Array, Array]] = []
        flat = self._written(parameter)
        kept: dict[str, Any] = {name: self._written(state[name]) for name in names}
        flat_gradient = self._turned(gradient).reshape(-1)
        kept["step"] = state["step"]
        self.pieces: list[Piece] = [(flat_gradient, flat, kept)]
        if flat.size > PIECE:
            self.pieces = [
                (
                    flat_gradient[start : start + PIECE],
                    flat[start : start + PIECE],
                    kept | {name: kept[name][start : start + PIECE] for name in names},
                )
                for start in range(0, flat.size, PIECE)
            ]

    def _turned(self, array: Array) -> Array:
        return array if self.axes is None else array.transpose(self.axes)

    def _written(self, array: Array) -> Array:
        """The array as a flat one, whose changes will reach it."""
        turned = self._turned(array)
        flat = turned.reshape(-1)
        if not turned.flags.c_contiguous and not np.may_share_memory(flat, turned):
            self.copies.append((turned, flat))
        return flat

    def finish(self) -> None:
        """Write back what `reshape` had to copy."""
        for turned, flat in self.copies:
            turned[...] = flat.reshape(turned.shape)


@cache
def _smallest(dtype: np.dtype[Any]) -> float:
    """The smallest number above 0 that the dtype holds with all its digits."""
    return float(np.finfo(dtype).smallest_normal)


def _bundles(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Pieces in lists of PIECE elements or more each, so that small parameters go together."""
    bundles: list[list[Piece]] = []
    size = PIECE
    for piece in pieces:
        if size >= PIECE:
            bundles.append([])
            size = 0
        bundles[-1].append(piece)
        size += piece[1].size
    return bundles


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

        d = gradient + weight_decay * parameter
        v = momentum * v + d
        parameter = parameter - lr * v                  without momentum: lr * d
                                                        nesterov: lr * (d + momentum * v)

    v is state["velocity"].  The same numbers as PyTorch's, with its dampening left at 0.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self._check(momentum=momentum, weight_decay=weight_decay)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov

    def keeps(self) -> tuple[str, ...]:
        """The velocity, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def apply_single(self, gradient: Array, parameter: Array, state: dict[str, Any]) -> None:
        """One piece of one parameter."""
        change = self._spare(parameter)
        direction = gradient
        if self.weight_decay:
            direction = np.multiply(parameter, self.weight_decay, out=change)
            direction += gradient
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += direction
            if self.nesterov:
                ahead = np.multiply(velocity, self.momentum, out=self._spare(parameter, 1))
                ahead += direction
                direction = ahead
            else:
                direction = velocity
        parameter -= np.multiply(direction, float(self.lr), out=change)


class Adam(Optimizer):
    """Adaptive moments: each element has a learning rate of its own.

        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * gradient^2
        parameter = parameter - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    t is state["step"], m state["mean"] and v state["square"].  The same numbers as PyTorch's.

    Source: D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        b1: float = 0.9,
        b2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        self._check(eps=eps)
        for name, value in (("b1", b1), ("b2", b2)):
            if not 0 <= value < 1:
                raise ValueError(
                    f"{type(self).__name__}: expected {name} from 0 to below 1; got {value}"
                )
        self.b1 = b1
        self.b2 = b2
        self.eps = eps

    def keeps(self) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("mean", "square")

    def apply_single(self, gradient: Array, parameter: Array, state: dict[str, Any]) -> None:
        """One piece of one parameter."""
        mean, square, change = state["mean"], state["square"], self._spare(parameter)
        mean *= self.b1
        mean += np.multiply(gradient, 1 - self.b1, out=change)
        square *= self.b2
        np.multiply(gradient, gradient, out=change)
        change *= 1 - self.b2
        square += change
        # Both corrections for the zeros at the start come into the numbers lr and eps.
        correction = math.sqrt(1 - self.b2 ** state["step"])
        np.sqrt(square, out=change)
        # Not below what the dtype holds: with float16, 1e-8 would be 0, and 0 / 0 not a number.
        change += max(self.eps * correction, _smallest(change.dtype))
        np.divide(mean, change, out=change)
        change *= float(self.lr) * correction / (1 - self.b1 ** state["step"])
        parameter -= change


class AdamW(Adam):
    """Adam with weight decay that does not pass through the adaptive rates.

        parameter = parameter - lr * weight_decay * parameter, and then as Adam

    The same numbers as PyTorch's.

    Source: I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        b1: float = 0.9,
        b2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, b1, b2, eps)
        self._check(weight_decay=weight_decay)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: Array, parameter: Array, state: dict[str, Any]) -> None:
        """One piece of one parameter."""
        parameter *= 1 - float(self.lr) * self.weight_decay
        super().apply_single(gradient, parameter, state)


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
