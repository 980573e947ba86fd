"""One step, eager and captured, on the same numbers: what must be equal after every call."""

import warnings

import numpy as np

from tinygrad_lite import Tensor, capture, generator


def described(value):
    """All of it: dtype, shape, bits, and how they lie in memory."""
    if isinstance(value, (tuple, list)):
        return [described(one) for one in value]
    if isinstance(value, dict):
        return {key: described(one) for key, one in value.items()}
    array = value.data if isinstance(value, Tensor) else value
    if isinstance(array, np.ndarray):
        strides = array.strides if array.size > 1 else ()
        return array.dtype.str, array.shape, strides, array.tobytes()
    return repr(value)


class Twin:
    """A step with its leaves and its stream of random numbers.

    make   makes the step and the leaves that it uses: the same for each twin
    calls  what wraps the step: `capture`, or nothing
    """

    def __init__(self, make, wrap=lambda step: step, seed=5):
        step, self.leaves = make()
        self.call = wrap(step)
        self.draws = np.random.default_rng(seed)

    def after(self, *given, **options):
        """What a call returns or raises, and what it leaves behind."""
        with generator.seeded(self.draws):
            try:
                found = described(self.call(*given, **options))
            except Exception as error:
                found = type(error), str(error)
        data = [described(leaf) for leaf in self.leaves]
        grads = [described(getattr(leaf, "grad", None)) for leaf in self.leaves]
        return found, data, grads, generator.get_state(self.draws)


def reason_not_captured(make, batches):
    """Why the step is not captured, or None; every call must do the same, bit for bit.

    batches   for each call the arrays that are written into the leaves, or None, and the arguments
    """
    eager, captured = Twin(make), Twin(make, capture)
    for position, (values, args) in enumerate(batches):
        for twin in (eager, captured):
            for leaf, value in zip(twin.leaves, values or (), strict=False):
                leaf.data[...] = value
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "capture: not captured")
            warnings.filterwarnings("ignore", "the loss is (inf|-inf|nan)")
            assert captured.after(*args) == eager.after(*args), f"call {position}"
    return captured.call.eager


def reason_of_program(body, *shapes):
    """The same for body(x, *leaves), where x is (4, 3) and these are the leaves' shapes."""

    def make():
        rng = np.random.default_rng(1)
        leaves = [
            Tensor(rng.standard_normal(shape, np.float32), requires_grad=True) for shape in shapes
        ]

        def step(x):
            return body(x, *leaves)

        return step, leaves

    rng = np.random.default_rng(2)
    batches = [(None, (Tensor(rng.standard_normal((4, 3), np.float32)),)) for _ in range(5)]
    return reason_not_captured(make, batches)
