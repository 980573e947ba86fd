"""The same training steps twice, eager and captured, for the tests of optimisers."""

import numpy as np

import nn
from nn import optim
from tinygrad_lite import Tensor, capture

STEPS = 20


def of(name, options):
    """What makes an optimiser of this name."""
    return lambda params: getattr(optim, name)(params, **options)


class Net(nn.Module):
    """Two layers; a parameter that is transposed in memory, and one that is not always used."""

    def __init__(self, dtype=np.float32, only_matrices=False):
        rng = np.random.default_rng(0)

        def parameter(*shape):
            return Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)

        self.first, self.second = parameter(4, 5), parameter(5, 3)
        self.second.data = np.asfortranarray(self.second.data)
        self.bias = None if only_matrices else parameter(5)
        self.scale = None if only_matrices else parameter()

    def forward(self, x, scaled=True):
        hidden = x @ self.first
        hidden = (hidden if self.bias is None else hidden + self.bias).tanh()
        y = hidden @ self.second
        return y * self.scale if scaled and self.scale is not None else y


class Run:
    """A model, an optimiser, and their step, eager or captured."""

    def __init__(self, make, captured, dtype=np.float32, only_matrices=False):
        self.model = Net(dtype, only_matrices)
        self.optimiser = make(self.model.parameters())
        self.call = capture(self.step, strict=True) if captured else self.step

    def step(self, x):
        self.optimiser.zero_grad()
        loss = self.model(x).square().mean()
        loss.backward()
        self.optimiser.step()
        return loss

    def record(self, loss=None):
        """All that a step may change, as bytes."""
        found = {} if loss is None else {"loss": bits(loss.data)}
        for position, parameter in enumerate(self.optimiser.params):
            found[position] = bits(parameter.data)
            if parameter.grad is not None:
                found[position, "gradient"] = bits(parameter.grad.data)
            for name, value in self.optimiser.state.get(parameter, {}).items():
                found[position, name] = bits(value)
        return found


def bits(value):
    array = np.asarray(value)
    return array.dtype, array.shape, array.tobytes()


def batches(count=STEPS, dtype=np.float32):
    rng = np.random.default_rng(1)
    return [Tensor(rng.standard_normal((6, 4)).astype(dtype)) for _ in range(count)]


def compare(make, change=None, steps=STEPS, dtype=np.float32, only_matrices=False):
    """Run the same steps twice; `change(run, number)` comes before each of them."""
    runs = [Run(make, captured, dtype, only_matrices) for captured in (False, True)]
    for number, x in enumerate(batches(steps, dtype)):
        found = []
        for run in runs:
            if change is not None:
                change(run, number)
            found.append(run.record(run.call(x)))
        assert found[0] == found[1], number
    assert runs[1].call.plans
    return runs
