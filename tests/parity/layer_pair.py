"""One layer of ours and PyTorch's of the same name: built alike, called alike, compared.

`layer_cases.py` is the table of cases, `test_layers.py` runs them, and `layer_report.py` prints how
far apart the two are.
"""

import numpy as np
import torch
from parity.layer_inputs import WIDTHS, flat, mapped
from torch.nn.attention import SDPBackend, sdpa_kernel

import nn
from tinygrad_lite import Tensor, grad

THEIRS = {"tensor": torch.tensor, **{name: getattr(torch, name) for name in WIDTHS}}
DRAWS = 1000  # initial values, of each parameter, that are compared as a sample


def both(case):
    """Our layer, and PyTorch's."""
    return case.build(), case.build(torch.nn, THEIRS)


class Run:
    """A call of one of the two layers: results, gradients, and how to go on differentiating."""

    def __init__(self, layer, args, call, make, gradients):
        inputs = []

        def tensor(leaf):
            made = make(leaf)
            if leaf.differentiated:
                inputs.append(made)
            # In place, PyTorch takes no leaf.
            return made.clone() if getattr(layer, "inplace", False) else made

        args = [mapped(tensor, value) for value in args]
        call = {name: mapped(tensor, value) for name, value in call.items()}
        self.results = flat(layer(*args, **call))
        self.wanted = [*inputs, *(p for p in layer.parameters() if p.requires_grad)]
        self.gradients = gradients

    def combined(self, tensors, rng, like):
        """The gradients of a random combination of the tensors; zeros where none flows.

        like: the same tensors as arrays, for the shapes.
        """
        weights = [rng.standard_normal(each.shape).astype(each.dtype) for each in like]
        pairs = [pair for pair in zip(tensors, weights, strict=True) if _flows(pair[0])]
        if not pairs or not self.wanted:
            return [None] * len(self.wanted)
        return self.gradients([t for t, _ in pairs], self.wanted, [w for _, w in pairs])


def _flows(tensor):
    return tensor is not None and tensor.requires_grad


def run_ours(layer, args, call):
    """Our layer on Tensors made of the leaves."""
    return Run(
        *(layer, args, call),
        lambda leaf: Tensor(leaf.array, requires_grad=leaf.differentiated),
        lambda ys, xs, weights: grad(
            ys, xs, [Tensor(w) for w in weights], create_graph=True, allow_unused=True
        ),
    )


def run_theirs(layer, args, call):
    """PyTorch's layer on tensors made of the leaves."""
    return Run(
        *(layer, args, call),
        lambda leaf: torch.tensor(leaf.array, requires_grad=leaf.differentiated),
        lambda ys, xs, weights: torch.autograd.grad(
            ys, xs, [torch.tensor(w) for w in weights], create_graph=True, allow_unused=True
        ),
    )


def array_of(tensor):
    """The values of a tensor of either library."""
    return tensor.numpy(force=True) if isinstance(tensor, torch.Tensor) else tensor.numpy()


def state_of(layer):
    """The state of our layer, or of PyTorch's, as arrays by name."""
    found = nn.state.get_state_dict(layer) if isinstance(layer, nn.Module) else layer.state_dict()
    return {name: array_of(tensor) for name, tensor in found.items()}


def with_equal_state(case, dtype):
    """The two layers in this dtype, with the same random state, loaded from one into the other."""
    rng = np.random.default_rng(5)
    ours, theirs = both(case)
    theirs = theirs.to(getattr(torch, dtype))
    parameters = {name for name, _ in theirs.named_parameters()}
    state = {}
    for name, array in state_of(theirs).items():
        if array.dtype.kind == "f":  # running variances are positive
            low = -1.0 if name in parameters else 0.5
            array = rng.uniform(low, 1.5, array.shape).astype(dtype)
        state[name] = array
    for tensor in nn.state.get_state_dict(ours).values():
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(dtype)
    nn.state.load_state_dict(ours, state)
    theirs.load_state_dict({name: torch.tensor(a) for name, a in state_of(ours).items()})
    return ours, theirs


def difference(what, ours, theirs):
    """The largest difference between arrays, relative to the largest number among all of them.

    Shapes, dtypes, nan and inf, and integers have to be the same.
    """
    gap, scale = 0.0, 0.0
    for position, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        where = f"{what} {position}"
        assert (a is None) == (b is None), f"{where}: {a} and {b}"
        if a is None:
            continue
        assert a.shape == b.shape, f"{where}: shape {a.shape}, PyTorch {b.shape}"
        assert a.dtype == b.dtype, f"{where}: {a.dtype}, PyTorch {b.dtype}"
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.isfinite(a), finite, err_msg=where)
        np.testing.assert_array_equal(a[~finite], b[~finite], err_msg=where)
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=where)
        elif finite.any():
            gap = max(gap, float(np.abs(a[finite] - b[finite]).max()))
            scale = max(scale, float(np.abs(b[finite]).max()))
    return gap / (scale or 1.0)


def differences(case, dtype, training):
    """The largest relative difference of values, gradients, second order, and state afterwards.

    Both layers start with the same state and get the same inputs.
    """
    # PyTorch's own choice of attention has no second derivative.
    backends = [SDPBackend.MATH] if dtype == "float64" else [*SDPBackend.__members__.values()]
    with sdpa_kernel(backends):
        return _differences(case, dtype, training)


def _differences(case, dtype, training):
    layers = with_equal_state(case, dtype)
    args, call = case.leaves(dtype)
    runs = []
    for layer, run in zip(layers, (run_ours, run_theirs), strict=True):
        layer.train(training)
        runs.append(run(layer, args, call))
    ours, theirs = runs
    values = [[None if y is None else array_of(y) for y in run.results] for run in runs]
    found = {"value": difference("value", *values)}
    for position, (y, reference) in enumerate(zip(ours.results, theirs.results, strict=True)):
        assert _flows(y) == _flows(reference), f"value {position}: requires_grad"
    states = [state_of(layer) for layer in layers]
    found["state"] = difference("state", *([state[k] for k in states[0]] for state in states))
    like = values[1]
    firsts = [_combined(run, run.results, like, seed=7) for run in runs]
    firsts_arrays = _filled(firsts, theirs.wanted)
    found["gradient"] = difference("gradient", *firsts_arrays)
    if case.second and dtype == "float64":
        seconds = [
            _combined(run, first, firsts_arrays[1], seed=8)
            for run, first in zip(runs, firsts, strict=True)
        ]
        found["second order"] = difference("second order", *_filled(seconds, theirs.wanted))
    return found


def _combined(run, tensors, like, seed):
    kept = [k for k, array in enumerate(like) if array is not None and array.dtype.kind == "f"]
    return run.combined(
        [tensors[k] for k in kept], np.random.default_rng(seed), [like[k] for k in kept]
    )


def _filled(gradients, wanted):
    """The gradients as arrays, zeros for None, in the shapes of what is differentiated."""
    return [
        [
            np.zeros_like(array_of(x)) if g is None else array_of(g)
            for g, x in zip(of_one, wanted, strict=True)
        ]
        for of_one in gradients
    ]


def demand_the_same_state(case):
    """The same names, shapes and dtypes of state and of parameters, and these in the same order."""
    ours, theirs = both(case)
    described = [
        {name: (array.shape, array.dtype) for name, array in state_of(layer).items()}
        for layer in (ours, theirs)
    ]
    assert described[0] == described[1]
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]


def demand_the_same_start(case):
    """Initial values that are no numbers of chance are equal; others have the same distribution.

    The samples, of at least DRAWS values in the state of enough new layers, agree in their means,
    standard deviations, and extremes: a normal, a uniform and a truncated distribution of the same
    variance differ in the last.
    """
    Tensor.manual_seed(0)
    torch.manual_seed(0)
    states = [[state_of(layer) for layer in both(case)] for _ in range(2)]
    ours, theirs, again = *states[0], states[1][1]
    drawn = [name for name in theirs if not np.array_equal(theirs[name], again[name])]
    for name in set(theirs) - set(drawn):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    while len(states) * min([theirs[name].size for name in drawn], default=DRAWS) < DRAWS:
        states.append([state_of(layer) for layer in both(case)])
    for name in drawn:
        a, b = (np.stack([pair[k][name] for pair in states]).astype(float) for k in (0, 1))
        spread = b.std()
        assert abs(a.mean() - b.mean()) <= 0.25 * spread, f"{name}: mean"
        assert abs(a.std() / spread - 1) <= 0.12, f"{name}: std {a.std()}, PyTorch {spread}"
        ratio = np.abs(a).max() / np.abs(b).max()
        assert 0.7 < ratio < 1.4, f"{name}: extremes, {ratio} of PyTorch's"
