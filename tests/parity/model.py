"""What a model of test_models.py is: weights, data, and its loss written twice."""

from types import SimpleNamespace
from typing import Any

import numpy as np

rng = np.random.default_rng(5)


def normal(*shape):
    return rng.standard_normal(shape)


class Model:
    """One small model; its docstring says what it is.

    Subclasses write `ours` with Tensor's methods and `theirs` in plain PyTorch, each returning the
    loss, one number.  `w` holds the weights and `d` the data, as tensors of the engine at hand.

    weights     their shapes; drawn from a normal distribution, scaled by 1 / sqrt(fan in)
    data        arrays; floats get the weights' dtype, integers and bools stay
    exact       relative error allowed in float64
    """

    weights: SimpleNamespace
    data: SimpleNamespace
    exact = 1e-10

    @staticmethod
    def ours(w: SimpleNamespace, d: SimpleNamespace) -> Any:
        raise NotImplementedError

    @staticmethod
    def theirs(w: SimpleNamespace, d: SimpleNamespace) -> Any:
        raise NotImplementedError

    @classmethod
    def starts(cls) -> dict[str, np.ndarray]:
        """The weights to begin with, the same for every call."""
        draw = np.random.default_rng(3)
        return {
            name: draw.standard_normal(shape) / max(np.prod(shape[1:]), 1) ** 0.5
            for name, shape in vars(cls.weights).items()
        }
