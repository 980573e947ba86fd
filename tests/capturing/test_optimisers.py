"""Captured steps with every optimiser beside the same steps run eagerly, bit for bit."""

import inspect

import numpy as np
import pytest
from capturing.optimiser_twins import STEPS, Run, batches, compare, of

from nn import optim
from nn.optim import schedules


def scheduled(run, number):
    """A rate that changes in each step, and the momentum that goes with it."""
    optimiser = run.optimiser
    optimiser.lr = schedules.one_cycle(0.05, steps=STEPS)(number)
    momentum = schedules.one_cycle_momentum(STEPS)(number)
    for group in optimiser.param_groups:
        if group.get("momentum"):
            group["momentum"] = momentum
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])


# Every optimiser, with each of its options.
CASES = {
    "SGD": [
        {},
        *({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        {"momentum": 0.8, "dampening": 0.3, "maximize": True},
        {"weight_decay": 0.1, "maximize": True},
    ],
    "ASGD": [{}, {"t0": 4, "lambd": 0.1, "weight_decay": 0.1}],
    "Adam": [
        *({}, {"amsgrad": True, "weight_decay": 0.1}, {"maximize": True}),
        {"decoupled_weight_decay": True, "weight_decay": 0.1, "eps": 0.0},
    ],
    "AdamW": [{}, {"amsgrad": True}],
    "Adamax": [{}, {"weight_decay": 0.1}],
    "NAdam": [{}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "RAdam": [{}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True, "weight_decay": 0.1}, {"centered": True}],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1}],
    "Adadelta": [{}, {"weight_decay": 0.1}],
    "Lion": [{}, {"weight_decay": 0.1}],
    "Rprop": [{}, {"etas": (0.4, 1.3), "step_sizes": (1e-3, 0.02)}],
    "LARS": [{}, {"nesterov": True, "weight_decay": 0.1}],
    "LAMB": [{}, {"weight_decay": 0.1}],
    "Muon": [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}],
}
CASES = [(name, options) for name, several in CASES.items() for options in several]


def test_every_optimiser_has_a_case():
    found = {name for name in optim.__all__ if inspect.isclass(getattr(optim, name))}
    assert {name for name, _ in CASES} == found - {"Optimizer", "LBFGS"}


@pytest.mark.filterwarnings("ignore:the loss is (inf|nan)")
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_schedule(name, options):
    compare(of(name, options), scheduled, only_matrices=name == "Muon")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "RMSprop", "Adadelta", "Lion", "Rprop", "LAMB", "Muon"]
)
def test_dtypes(name, dtype):
    compare(of(name, {"lr": 0.01}), steps=5, dtype=dtype, only_matrices=name == "Muon")


def two_groups(params):
    first, *others = params
    groups = [{"params": [first], "lr": 0.1, "betas": (0.5, 0.6)}, {"params": others}]
    return optim.AdamW(groups, lr=0.01)


def test_groups_have_their_own_options():
    def change(run, number):
        for position, group in enumerate(run.optimiser.param_groups):
            group["lr"] = 0.01 * (number + position)
            if number == 8:
                group["weight_decay"] = 0.0
            if number == 12:
                group["maximize"] = True

    compare(two_groups, change)


def test_options_that_change_the_formula():
    def change(run, number):
        optimiser = run.optimiser
        if number == 5:
            optimiser.weight_decay = 0.1
        if number == 8:
            optimiser.momentum = 0.9
        if number == 11:
            optimiser.nesterov = True
        if number == 14:
            optimiser.nesterov = False
            optimiser.dampening = 0.5
        if number == 17:
            optimiser.weight_decay = 0.0
            optimiser.momentum = 0.0

    compare(of("SGD", {"lr": 0.1}), change)


@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("where", ["start", "after backward", "end", "outside", "never"])
def test_zero_grad_in_every_position(where, to_none):
    class Zeroed(Run):
        def step(self, x):
            if where == "start":
                self.optimiser.zero_grad(to_none)
            loss = self.model(x).square().mean()
            if where == "after backward":
                self.optimiser.zero_grad(to_none)
            loss.backward()
            self.optimiser.step()
            if where == "end":
                self.optimiser.zero_grad(to_none)
            return loss

    runs = [Zeroed(of("SGD", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(6)):
        found = []
        for run in runs:
            if where == "outside":
                run.optimiser.zero_grad(to_none)
            found.append(run.record(run.call(x)))
        assert found[0] == found[1], number


class SignSGD(optim.Optimizer):
    """The example in the docstring of Optimizer."""

    def apply_single(self, gradient, parameter, state, group):
        parameter -= group["lr"] * np.sign(gradient)


class Looks(optim.Optimizer):
    """A formula that looks at values."""

    def keeps(self, group):
        return ("largest",)

    def apply_single(self, gradient, parameter, state, group):
        largest = float(np.abs(gradient).max())
        if largest > 0.1:
            gradient = gradient / largest
        for position in range(len(parameter)):
            parameter[position] -= group["lr"] * gradient[position]
        np.maximum(state["largest"], np.abs(gradient), out=state["largest"])
        if state["step"] % 3 == 0:
            state["largest"][:] = 0


class Counts(optim.Optimizer):
    """A formula that changes an attribute of the optimiser."""

    calls = 0

    def apply_single(self, gradient, parameter, state, group):
        self.calls += 1
        parameter -= group["lr"] / self.calls * gradient


class OwnStep(optim.Optimizer):
    """An optimiser that writes `step` itself."""

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= group["lr"] * parameter.grad.data
                parameter.mark_changed()


class Inherits(optim.Adam):
    """One whose formula is ours."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
        self.calls = 0


@pytest.mark.parametrize("kind", [Inherits, SignSGD, Looks, Counts, OwnStep])
def test_optimisers_of_users(kind):
    def change(run, number):
        if kind is not OwnStep:
            run.optimiser.lr = 0.1 / (number + 1)

    compare(lambda params: kind(params, lr=0.05), change)


def test_a_formula_that_the_user_replaced():
    def make(params):
        optimiser = optim.SGD(params, lr=0.05)
        factors = iter(range(1, 10**6))

        def apply_single(gradient, parameter, state, group):
            parameter -= group["lr"] / next(factors) * gradient

        optimiser.apply_single = apply_single
        return optimiser

    compare(make, steps=6)
