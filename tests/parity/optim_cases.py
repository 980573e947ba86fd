"""Every option of every optimiser of torch.optim that is here, and the models to try them on."""

from itertools import product

import numpy as np


def grid(**choices):
    """Every combination of the choices, as keyword arguments."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


BOTH = (False, True)
DECAY = (0.0, 0.1)
GRIDS = {
    "SGD": [
        *grid(lr=[0.05], weight_decay=DECAY, maximize=BOTH),
        *grid(lr=[0.05], momentum=[0.9], dampening=[0.0, 0.3], weight_decay=DECAY, maximize=BOTH),
        *grid(lr=[0.05], momentum=[0.5, 0.9], nesterov=[True], weight_decay=DECAY, maximize=BOTH),
    ],
    "Adam": [
        {},
        *grid(lr=[0.05], betas=[(0.8, 0.95)], eps=[1e-3], weight_decay=DECAY, amsgrad=BOTH,
              maximize=BOTH),
        *grid(lr=[0.05], weight_decay=[0.1], decoupled_weight_decay=[True], amsgrad=BOTH),
    ],
    "AdamW": [
        {},
        *grid(lr=[0.05], betas=[(0.8, 0.95)], eps=[1e-3], weight_decay=[0.0, 0.3], amsgrad=BOTH,
              maximize=BOTH),
    ],
    "Adamax": [
        {},
        *grid(lr=[0.05], betas=[(0.8, 0.95)], eps=[1e-8, 1e-2], weight_decay=DECAY, maximize=BOTH),
    ],
    "NAdam": [
        {},
        *grid(lr=[0.05], betas=[(0.8, 0.95)], eps=[1e-3], weight_decay=DECAY,
              momentum_decay=[0.004, 0.1], decoupled_weight_decay=BOTH, maximize=BOTH),
    ],
    "RAdam": [
        {},
        *grid(lr=[0.05], betas=[(0.9, 0.999), (0.8, 0.95), (0.8, 0.5)], eps=[1e-3],
              weight_decay=DECAY, decoupled_weight_decay=BOTH, maximize=[False]),
        {"lr": 0.05, "maximize": True},
    ],
    "RMSprop": [
        {},
        *grid(lr=[0.02], alpha=[0.9], eps=[1e-3], weight_decay=DECAY, momentum=[0.0, 0.8],
              centered=BOTH, maximize=BOTH),
    ],
    "Adagrad": [
        {},
        *grid(lr=[0.1], lr_decay=[0.0, 0.1], weight_decay=DECAY,
              initial_accumulator_value=[0.0, 0.5], eps=[1e-4], maximize=BOTH),
    ],
    "Adadelta": [
        {},
        *grid(lr=[0.5], rho=[0.5, 0.9, 1.0], eps=[1e-3], weight_decay=DECAY, maximize=BOTH),
    ],
    "Rprop": [
        {},
        *grid(lr=[0.05], etas=[(0.5, 1.2), (0.3, 2.0)], step_sizes=[(1e-6, 50), (1e-2, 0.2)],
              maximize=BOTH),
    ],
    "ASGD": [
        {},
        *grid(lr=[0.05], lambd=[0.01], alpha=[0.5], t0=[1e6, 10.0], weight_decay=DECAY,
              maximize=BOTH),
    ],
}  # fmt: skip
CASES = [(name, options) for name, cases in GRIDS.items() for options in cases]

# 0-d, empty, a bias, a matrix held transposed, a kernel that is channels-last in memory
SHAPES = [(), (0, 3), (5,), (7, 5), (4, 3, 2, 2)]


def starts(rng, dtype):
    """First values for parameters of these shapes."""
    found = [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]
    found[3] = np.asfortranarray(found[3])
    found[4] = np.ascontiguousarray(found[4].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return found


def gradients(rng, dtype, step):
    """One for each parameter; some are absent in some steps, as for a layer that was not used."""
    for position, shape in enumerate(SHAPES):
        gradient = np.asarray(rng.standard_normal(shape), dtype)
        yield None if position in (2, 3) and step % 3 == position - 2 else gradient
