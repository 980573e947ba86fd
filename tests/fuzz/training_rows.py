"""Valid calls of schedules, nn.utils and distributions: name, function, arguments, options."""

from typing import Any

import numpy as np

import nn
from nn import distributions
from nn.optim import schedules
from tinygrad_lite import Tensor


def halved(step: float) -> float:
    return 0.5**step


def weights() -> list[Tensor]:
    """Two parameters with gradients."""
    tensors = [Tensor([3.0, 4.0], requires_grad=True), Tensor([[1.0]], requires_grad=True)]
    for tensor in tensors:
        tensor.grad = Tensor(tensor.data)
    return tensors


MADE = [
    (schedules.constant, [0.1], {"factor": 0.5, "steps": 3}),
    (schedules.linear, [0.1], {"steps": 3, "start_factor": 0.5, "end_factor": 1.0}),
    (schedules.step, [0.1, 3], {"gamma": 0.5}),
    (schedules.multi_step, [0.1, [3, 5]], {"gamma": 0.5}),
    (schedules.exponential, [0.1, 0.9], {}),
    (schedules.polynomial, [0.1], {"steps": 3, "power": 2.0}),
    (schedules.cosine, [0.1, 10], {"eta_min": 0.01}),
    (schedules.warm_restarts, [0.1, 10], {"T_mult": 2, "eta_min": 0.01}),
    (schedules.cyclic, [0.1, 0.2], {"step_size_up": 3, "mode": "exp_range", "gamma": 0.9}),
    (schedules.one_cycle, [0.1, 10], {"pct_start": 0.3, "three_phase": True, "div_factor": 5.0}),
    (schedules.one_cycle_momentum, [10], {"base_momentum": 0.8, "anneal_strategy": "cos"}),
    (schedules.scaled, [0.1, halved], {}),
    (schedules.sequential, [[halved, halved], [3]], {}),
    (schedules.reduce_on_plateau, [0.1], {"patience": 3, "factor": 0.5, "mode": "min"}),
]
DISTRIBUTIONS = [
    (distributions.Normal, [np.zeros(3), np.ones(3)], 0.5),
    (distributions.Laplace, [np.zeros(3), 1.0], 0.5),
    (distributions.Exponential, [np.ones(3)], 0.5),
    (distributions.Uniform, [0.0, 1.0], 0.5),
    (distributions.Bernoulli, [np.full(3, 0.5)], 1.0),
    (distributions.Categorical, [np.full((2, 3), 0.5)], np.array([0, 2])),
    (distributions.MultivariateNormal, [np.zeros(2), np.eye(2)], np.zeros(2)),
]
NORMAL = distributions.Normal(np.zeros(3), np.ones(3))
ROWS: list[tuple[str, Any, list[Any], dict[str, Any]]] = [
    *((made.__name__, made, args, options) for made, args, options in MADE),
    *((made.__name__, made(*args, **options).__call__, [3], {}) for made, args, options in MADE),
    *((made.__name__, made, args, {"validate_args": True}) for made, args, _ in DISTRIBUTIONS),
    *(
        (made.__name__, getattr(made(*args), method), given, {})
        for made, args, value in DISTRIBUTIONS
        for method, given in (
            ("log_prob", [value]),
            ("sample", [(2, 3)]),
            ("expand", [(4, *made(*args).batch_shape)]),
        )
    ),
    ("Normal", NORMAL.rsample, [(2, 3)], {}),
    ("Normal", NORMAL.cdf, [0.5], {}),
    ("Normal", NORMAL.icdf, [0.5], {}),
    ("Independent", distributions.Independent, [NORMAL, 1], {}),
    ("kl_divergence", distributions.kl_divergence, [NORMAL, NORMAL], {}),
]
# Written to in each call, and so made anew
WRITTEN: list[tuple[str, Any, list[Any]]] = [
    ("clip_grad_norm_", nn.utils.clip_grad_norm_, [1.0, 2.0, False]),
    ("clip_grads_with_norm_", nn.utils.clip_grads_with_norm_, [1.0, 3.0]),
    ("clip_grad_value_", nn.utils.clip_grad_value_, [1.0]),
    ("get_total_norm", nn.utils.get_total_norm, [2.0, False]),
    ("parameters_to_vector", nn.utils.parameters_to_vector, []),
]
