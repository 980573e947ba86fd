"""Options, groups and states of optimisers that change between captured steps."""

from copy import deepcopy

import numpy as np
import pytest
from capturing.optimiser_twins import Run, batches, compare, of

from nn import optim
from nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
from tinygrad_lite import Tensor, capture, no_grad


@pytest.mark.parametrize("name", ["SGD", "Adam", "LARS"])
def test_a_state_that_is_loaded(name):
    kept = {}

    def change(run, number):
        if number == 6:
            kept[run] = deepcopy(run.optimiser.state_dict())
        if number == 10:
            run.optimiser.load_state_dict(kept[run])
        if number == 14:
            run.optimiser.state.clear()

    compare(of(name, {"lr": 0.1} if name == "Adam" else {"lr": 0.1, "momentum": 0.9}), change)


def test_a_state_that_another_optimiser_gave():
    """The arrays of the state are others, and float64 numbers become float32 again."""

    def change(run, number):
        if number == 5:
            other = optim.Adam(run.model.parameters(), lr=0.3)
            other.load_state_dict(run.optimiser.state_dict())
            run.optimiser.load_state_dict(other.state_dict())
        if number == 9:
            for state in run.optimiser.state.values():
                state["exp_avg"] = state["exp_avg"].astype(np.float64)
        if number == 12:
            for state in run.optimiser.state.values():
                state["step"] = np.array(3.0)

    compare(of("Adam", {"lr": 0.01}), change)


def test_a_group_that_is_added():
    def first_two(params):
        return optim.Adam(list(params)[:2], lr=0.05)

    def change(run, number):
        if number == 7:
            others = list(run.model.parameters())[2:]
            run.optimiser.add_param_group({"params": others, "lr": 0.2})

    compare(first_two, change)


def test_a_parameter_without_a_gradient_in_some_steps():
    class Sometimes(Run):
        def step(self, x, scaled):
            self.optimiser.zero_grad()
            loss = self.model(x, scaled).square().mean()
            loss.backward()
            self.optimiser.step()
            return loss

    runs = [Sometimes(of("Adam", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches()):
        eager, captured = (run.record(run.call(x, number % 3 != 2)) for run in runs)
        assert eager == captured, number


def test_a_state_that_is_first_made_in_the_recorded_step():
    class Accumulating(Run):
        calls = 0

        def step(self, x, last):
            loss = self.model(x).square().mean()
            loss.backward()
            if last:
                self.optimiser.step()
                self.optimiser.zero_grad()
            return loss

    runs = [Accumulating(of("Adam", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(12)):
        eager, captured = (run.record(run.call(x, number % 2 == 1)) for run in runs)
        assert eager == captured, number


@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
def test_two_optimisers_in_one_step_and_one_that_steps_twice():
    class Both(Run):
        def __init__(self, make, captured):
            super().__init__(make, captured)
            self.other = optim.Adam([self.model.first], lr=0.01)

        def step(self, x):
            self.optimiser.zero_grad()
            loss = self.model(x).square().mean()
            loss.backward()
            self.optimiser.step()
            self.other.step()
            second = self.model(x).square().mean()
            second.backward()
            self.optimiser.step()
            return loss + second

    options = {"lr": 0.05, "betas": (0.8, 0.9)}
    runs = [Both(of("Adam", options), captured) for captured in (False, True)]
    for number, x in enumerate(batches(8)):
        for run in runs:
            run.other.lr = 0.01 * number
        eager, captured = (run.record(run.call(x)) for run in runs)
        assert eager == captured, number
        states = [run.other.state[run.model.first] for run in runs]
        assert states[0]["step"] == states[1]["step"] == number + 1
        assert states[0]["exp_avg"].tobytes() == states[1]["exp_avg"].tobytes()


@pytest.mark.parametrize("what", ["parameter", "state", "shape of the state"])
def test_a_step_that_fails_fails_as_in_eager(what):
    def change(run, number):
        parameter = run.model.second
        kept = run.optimiser.state[parameter]
        if what == "parameter":
            parameter.data.flags.writeable = number != 5
        elif number in (5, 6) and what == "state":
            kept["exp_avg"].flags.writeable = number != 5
        elif number == 5:
            kept["exp_avg"] = kept["exp_avg"].T.copy()
        elif number == 6:
            kept["exp_avg"] = np.zeros_like(parameter.data)

    runs = [Run(of("Adam", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(9)):
        found = []
        for run in runs:
            change(run, number)
            if number == 5:
                with pytest.raises(ValueError, match="step: parameter 1 ") as error:
                    run.call(x)
                found.append((str(error.value), run.record()))
            else:
                found.append(run.record(run.call(x)))
        assert found[0] == found[1], number


def test_large_parameters():
    """One of several chunks, and a small one: lines for the one, a call for the other."""
    results = []
    for captured in (False, True):
        rng = np.random.default_rng(3)
        large, small = (
            Tensor(rng.standard_normal(shape, np.float32), requires_grad=True)
            for shape in ((500, 401), (401,))
        )
        optimiser = optim.AdamW([large, small], lr=0.1)

        def step(x, large=large, small=small, optimiser=optimiser):
            optimiser.zero_grad()
            loss = ((x @ large) * small).square().mean()
            loss.backward()
            optimiser.step()
            return loss

        call = capture(step, strict=True) if captured else step
        losses = []
        for number in range(4):
            optimiser.lr = 0.1 / (1 + number)
            x = Tensor(rng.standard_normal((2, 500), np.float32))
            losses.append(call(x).numpy().tobytes())
        results.append([losses, large.data.tobytes(), small.data.tobytes()])
    assert results[0] == results[1]


def test_an_option_that_the_step_assigns():
    class Decays(optim.SGD):
        def step(self, closure=None):
            self.lr = 0.05
            return super().step(closure)

    run = Run(lambda params: Decays(params, lr=0.1), captured=True)
    run.call(batches(1)[0])
    with pytest.raises(RuntimeError, match="the step assigns lr of an optimizer; do that before"):
        run.call(batches(1)[0])


def test_lbfgs():
    """Its step looks at values; the closure can be captured."""
    results = []
    for captured in (False, True):
        run = Run(of("LBFGS", {"line_search_fn": "strong_wolfe", "max_iter": 4}), False)
        x = batches(1)[0]

        def closure(run=run, x=x):
            run.optimiser.zero_grad()
            loss = run.model(x).square().mean()
            loss.backward()
            return loss

        call = capture(closure, strict=True) if captured else closure
        for _ in range(4):
            run.optimiser.step(call)
        results.append([parameter.data.tobytes() for parameter in run.optimiser.params])
    assert results[0] == results[1]
    step = capture(lambda: run.optimiser.step(closure), strict=True)
    step()
    with pytest.raises(RuntimeError, match="LBFGS looks at the loss in each step; capture its"):
        step()


@pytest.mark.parametrize("average", [None, get_ema_avg_fn(0.8)])
def test_averages_of_weights(average):
    class Averaged(Run):
        def __init__(self, make, captured):
            super().__init__(make, captured)
            self.average = AveragedModel(self.model, avg_fn=average)

        def step(self, x):
            loss = super().step(x)
            self.average.update_parameters(self.model)
            return loss

    runs = [Averaged(of("SGD", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(6)):
        eager, captured = (run.record(run.call(x)) for run in runs)
        assert eager == captured, number
        states = [
            [one.numpy().tobytes() for one in (*run.average.parameters(), *run.average.buffers())]
            for run in runs
        ]
        assert states[0] == states[1], number


def test_a_step_with_a_closure():
    class Closed(Run):
        def step(self, x):
            def closure():
                self.optimiser.zero_grad()
                loss = self.model(x).square().mean()
                loss.backward()
                return loss

            return self.optimiser.step(closure)

    runs = [Closed(of("RMSprop", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(5)):
        eager, captured = (run.record(run.call(x)) for run in runs)
        assert eager == captured, number


def test_gradients_that_the_step_changes_by_hand():
    class ByHand(Run):
        def step(self, x):
            self.optimiser.zero_grad()
            loss = self.model(x).square().mean()
            loss.backward()
            for parameter in self.optimiser.params:
                parameter.grad.data[...] *= 0.5
                parameter.grad = parameter.grad + 0.1 * parameter.detach()
            self.optimiser.step()
            with no_grad():
                self.model.first *= 0.99
                self.model.bias.data -= 0.01 * self.model.bias.grad.data
            return loss

    runs = [ByHand(of("SGD", {"lr": 0.05, "momentum": 0.5}), captured) for captured in (0, 1)]
    for number, x in enumerate(batches(5)):
        eager, captured = (run.record(run.call(x)) for run in runs)
        assert eager == captured, number


def test_a_graph_from_before_notices_the_update():
    run = Run(of("SGD", {"lr": 0.05}), captured=True)
    for x in batches(5):
        y = (run.model.first * run.model.first).sum()
        run.call(x)
        with pytest.raises(RuntimeError, match=r"saved an array .* changed it in place"):
            y.backward()


def test_a_rate_that_is_an_argument():
    class Given(Run):
        def step(self, x, lr, decay):
            self.optimiser.zero_grad()
            self.optimiser.lr = lr
            self.optimiser.param_groups[0]["weight_decay"] = decay * 0.5
            return super().step(x)

    runs = [Given(of("AdamW", {"lr": 0.05}), captured) for captured in (False, True)]
    for number, x in enumerate(batches(8)):
        found = []
        for run in runs:
            if number == 6:
                with pytest.raises(ValueError, match="AdamW: lr: expected a number of 0 or more"):
                    run.call(x, -1.0, 0.0)
                found.append(run.record())
            else:
                found.append(run.record(run.call(x, 0.1 / (1 + number), 0.1 * number)))
            found[-1] = found[-1], run.optimiser.lr, run.optimiser.weight_decay
        assert found[0] == found[1], number
    assert len(runs[1].call.plans) == 1


def test_what_belongs_before_the_step():
    parameter = Tensor.ones(3, requires_grad=True)
    optimiser = optim.SGD([parameter], lr=0.1)
    state = optimiser.state_dict()

    def make():
        optim.SGD([parameter], lr=0.1)

    def load():
        optimiser.load_state_dict(state)

    def add():
        optimiser.add_param_group({"params": [Tensor.ones(3, requires_grad=True)]})

    for act, words in (
        (make, "makes an optimizer"),
        (load, "loads the state of an optimizer"),
        (add, "adds a group of parameters"),
    ):
        step = capture(act, strict=True)
        step()
        with pytest.raises(RuntimeError, match=f"the step {words}; do that before the step"):
            step()
