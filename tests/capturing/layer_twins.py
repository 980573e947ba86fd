"""A layer twice, with the same numbers in it: one trains eagerly, the other by a captured step."""

import numpy as np
from parity.layer_inputs import flat, mapped

import nn
from tinygrad_lite import Tensor, capture, generator

# In the order of the calls: whether they train, and the seed of the batch.  The first of a mode is
# eager, or recorded if one came before it; the others are replayed.
CALLS = [(True, 1), (True, 2), (True, 3), (True, 4), (False, 5), (False, 6), (True, 7)]


class Twin:
    """A layer, an optimiser, and a step of them: forward, a loss, backward, update.

    Each float among the inputs is multiplied by a parameter of the twin's own, so that gradients
    flow through layers that have none.
    """

    def __init__(self, case, dtype="float32"):
        self.case, self.dtype = case, dtype
        self.draws = np.random.default_rng(11)
        with generator.seeded(self.draws):
            self.layer = case.build()
        self.layer.to(dtype)
        self.gains = mapped(self._gain, _pair(case.leaves(dtype)))
        self.parameters = [*_tensors(self.gains), *nn.state.get_parameters(self.layer)]
        slow = {"params": _tensors(self.gains), "lr": 1e-4}  # inputs stay in their range
        fast = {"params": [p for p in nn.state.get_parameters(self.layer) if p.requires_grad]}
        groups = [group for group in (slow, fast) if group["params"]]
        self.optimizer = nn.optim.SGD(groups, lr=0.05, momentum=0.9) if groups else None
        self.call = self.step  # or what is captured of it

    def _gain(self, leaf):
        return nn.Parameter(np.ones((), self.dtype)) if leaf.differentiated else None

    def captured(self):
        """The same twin, whose calls are captured."""
        self.call = capture(self.step, strict=True)
        return self

    def step(self, args, call):
        """One step: the results and the loss."""
        if self.optimizer is not None:
            self.optimizer.zero_grad()
        args, values = _scaled((args, tuple(call.values())), self.gains)
        call = dict(zip(call, values, strict=True))
        results = flat(self.layer(*args, **call))
        loss = None
        for position, y in enumerate(results):
            if y is not None and y.dtype.kind == "f":
                term = (y * y.dtype.type(0.7 + 0.2 * position)).sin().sum()
                loss = term if loss is None else loss + term
        if loss is not None and loss.requires_grad and self.optimizer is not None:
            loss.backward()
            self.optimizer.step()
        return results, loss

    def after(self, training, seed):
        """One call on the batch of this seed: everything that it returned or changed, as bytes."""
        args, values = mapped(_argument, _pair(self.case.leaves(self.dtype, seed)))
        call = dict(zip(self.case.call, values, strict=True))
        self.layer.train(training)
        with generator.seeded(self.draws):
            results, loss = self.call(args, call)
        found = {f"result {k}": y for k, y in enumerate(results)} | {"loss": loss}
        found |= {f"parameter {k}": p for k, p in enumerate(self.parameters)}
        found |= {f"gradient {k}": p.grad for k, p in enumerate(self.parameters)}
        found |= {f"state {k}": x for k, x in nn.state.get_state_dict(self.layer).items()}
        found = {key: described(value) for key, value in found.items()}
        return found | {"generator": generator.get_state(self.draws)}


def _argument(leaf):
    """What the step is given: floats as a Tensor, integers and bools as a NumPy array."""
    return Tensor(leaf.array) if leaf.array.dtype.kind == "f" else leaf.array


def _pair(leaves):
    """Arguments and values of keyword arguments, as tuples."""
    args, call = leaves
    return tuple(args), tuple(call.values())


def _tensors(value):
    if isinstance(value, tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return [value] if isinstance(value, Tensor) else []


def _scaled(value, gain):
    """Each input times its gain, if it has one."""
    if isinstance(value, tuple):
        return tuple(_scaled(*pair) for pair in zip(value, gain, strict=True))
    return value * gain if isinstance(gain, Tensor) else value


def described(tensor):
    """Everything about a tensor that has to be the same in both twins."""
    if tensor is None:
        return None
    array = tensor.data
    assert type(array) is np.ndarray
    return array.shape, array.strides, array.dtype.str, array.tobytes()
