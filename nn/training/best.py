"""Best: the weights of the best epoch so far."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tinygrad_lite import Tensor, arguments

from .. import state


class Best:
    """Keeps the weights that had the highest score, as on held-out data.

        best = Best(model)
        for epoch in range(EPOCHS):
            ...
            best.update(held_out_accuracy(model))
        best.restore()

    model: any object with parameters (see `nn.state`).
    score: the highest one so far; None before the first.
    weights: copies of those with that score, by name; of equal scores, the first ones.

    For a loss, negate it: `best.update(-loss)`.  A score of nan is below all others.
    A snapshot can save this object: it has `state_dict` and `load_state_dict`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.score: float | None = None
        self.weights: dict[str, Tensor] = {}

    def update(self, score: float) -> bool:
        """Keep a copy of the weights as they are, if this score is the highest so far."""
        number = float(arguments.number(score, "Best.update: score"))
        number = -math.inf if math.isnan(number) else number
        if self.score is not None and number <= self.score:
            return False
        self.weights = deepcopy(state.get_state_dict(self.model))
        self.score = number
        return True

    def restore(self) -> bool:
        """Put the kept weights into the model; False if there are none, and nothing happens."""
        if self.score is not None:
            state.load_state_dict(self.model, self.weights)
        return self.score is not None

    @property
    def words(self) -> str:
        """What `restore` leaves in the model, for a line."""
        return "the weights as they are now" if self.score is None else "the best weights so far"

    def state_dict(self) -> dict[str, Any]:
        """The score and the weights."""
        weights = {name: tensor.numpy() for name, tensor in self.weights.items()}
        return {"score": self.score, "weights": weights}

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> None:
        """Restore the score and the weights from a `state_dict`.

        Errors: ValueError if it is malformed, or of another model; then nothing is changed.
        """
        where = "Best.load_state_dict"
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"score", "weights"}:
            raise ValueError(f"{where}: expected score, weights; got {arguments.shown(state_dict)}")
        score, weights = state_dict["score"], state_dict["weights"]
        if score is not None and (type(score) is not float or math.isnan(score)):
            raise ValueError(f"{where}: score: expected a number; got {arguments.shown(score)}")
        own = {} if score is None else state.get_state_dict(self.model)
        if not isinstance(weights, Mapping) or weights.keys() != own.keys():
            raise ValueError(
                f"{where}: expected the weights of this model, or none without a score"
            )
        for name, tensor in own.items():
            array = weights[name]
            if getattr(array, "shape", None) != tensor.shape or array.dtype != tensor.dtype:
                came = arguments.shown(array)
                raise ValueError(
                    f"{where}: {name}: expected shape {tensor.shape}, {tensor.dtype}; got {came}"
                )
        self.weights = {name: Tensor(array) for name, array in weights.items()}
        self.score = score
