"""Every layer and loss of nn in a captured step, in training and in evaluation, beside eager.

Two twins with the same numbers: one is called eagerly, the other is captured, on fresh batches.
After each call results, parameters, gradients, buffers and the generator are the same, bit for bit.
By default one row of the table for each layer; all of them with

    EVERY_ROW=1 pytest tests/capturing/test_layers.py
"""

import os

import numpy as np
import pytest
from capturing.layer_twins import CALLS, Twin, described
from parity.layer_cases import CASES
from parity.layer_inputs import Case, below

import nn
from tinygrad_lite import Tensor, capture, generator

# Layers that PyTorch has not, or that compute nothing of their own.
OTHERS = [
    Case("Identity()", (4, 3)),
    Case(lambda lib: lib.Lambda(lambda x: x.tanh() * 2), (4, 3), name="Lambda(...)"),
    Case("Unflatten(1, (2, 3))", (4, 6)),
    Case("RoPE(4)", (2, 5, 6)),
    Case("RoPE(4, traditional=True, scale=0.5)", (2, 5, 4)),
    Case("SinusoidalPositionalEncoding(6)", (5,)),
    Case("SinusoidalPositionalEncoding(6, cos_first=True, full_turns=True)", below(9, 2, 5)),
    Case("Sequential(Linear(3, 5), BatchNorm1d(5), ReLU(), Dropout(), Linear(5, 2))", (6, 3)),
]


class Several(nn.Module):
    """Containers, whose modules and parameters it uses."""

    def __init__(self):
        self.list = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
        self.dict = nn.ModuleDict({"first": nn.Tanh(), "second": nn.Dropout(0.3)})
        self.scales = nn.ParameterList([nn.Parameter(np.ones(3, np.float32)) for _ in range(2)])
        self.shifts = nn.ParameterDict({"only": nn.Parameter(np.zeros(3, np.float32))})

    def forward(self, x):
        for layer, scale in zip(self.list, self.scales, strict=True):
            x = layer(x) * scale
        for layer in self.dict.values():
            x = layer(x) + self.shifts["only"]
        return x


CONTAINERS = [
    Case(lambda lib: Several(), (4, 3), name=f"{name} and others")
    for name in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
]
ROWS = [*CASES, *OTHERS, *CONTAINERS]

# Those whose shapes depend on the values of labels, and why they run eagerly.
NOT_CAPTURED = {
    "AdaptiveLogSoftmaxWithLoss": "only the clusters of the labels are computed",
    "MultiLabelMarginLoss": "labels are listed, as many as there are",
}


def layer_of(case):
    """The name of the class that the row is about."""
    return case.name.split("(")[0].split(".")[0].split(" ")[0]


FIRST: dict[str, Case] = {}  # the first row of each layer
for _case in ROWS:
    FIRST.setdefault(layer_of(_case), _case)
CHOSEN = [
    case
    for case in (ROWS if "EVERY_ROW" in os.environ else FIRST.values())
    if layer_of(case) not in NOT_CAPTURED
]


def test_every_layer_has_a_row():
    assert sorted(FIRST) == sorted(nn.layers.__all__)


@pytest.mark.filterwarnings("ignore:nll_loss expects log:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("case", CHOSEN, ids=repr)
def test_a_captured_layer_trains_as_the_eager_one(case):
    eager, captured = Twin(case), Twin(case).captured()
    for training, seed in CALLS:
        expected, found = eager.after(training, seed), captured.after(training, seed)
        assert found == expected, [key for key in expected if found[key] != expected[key]]


# What a layer looks at in each call: its inputs when they are right, and when they are wrong.
WRONG = {
    "index": ("Embedding(5, 3)", [[1, 4, 0]], [[1, 5, 0]]),
    "offsets": ("EmbeddingBag(5, 3)", [[1, 4, 0], [0, 1]], [[1, 4, 0], [1, 2]]),
    "position": ("MaxUnpool1d(2)", [[[[1.0, 2.0]]], [[[0, 3]]]], [[[[1.0, 2.0]]], [[[0, 4]]]]),
    "label": ("NLLLoss()", [[[0.0, 1.0]], [1]], [[[0.0, 1.0]], [2]]),
    "label of a layer": ("LinearCrossEntropyLoss(2, 3)", [[[0.0, 1.0]], [1]], [[[0.0, 1.0]], [-1]]),
    "probability": ("BCELoss()", [[0.2, 0.9], [1.0, 0.0]], [[0.2, 1.1], [1.0, 0.0]]),
    "variance": ("GaussianNLLLoss()", [[1.0], [2.0], [3.0]], [[1.0], [2.0], [-3.0]]),
    "sign": ("MarginRankingLoss()", [[1.0], [2.0], [-1.0]], [[1.0], [2.0], [0.0]]),
}


class Outer(nn.Module):
    """A parameter, a draw, and the layer."""

    def __init__(self, layer):
        self.scale, self.layers = nn.Parameter([1.0]), nn.ModuleList([layer])

    def forward(self, *given):
        first = (
            Tensor.rand(*given[0].shape) * 0 + given[0] if given[0].dtype.kind == "f" else given[0]
        )
        return self.layers[0](first, *given[1:]) * self.scale


@pytest.mark.parametrize("name", WRONG)
def test_a_check_in_a_replay_raises_as_in_eager(name):
    text, good, bad = WRONG[name]
    good, bad = ([_array(one) for one in values] for values in (good, bad))

    def trained(captured):
        with generator.seeded(3):
            model = Outer(Case(text).build())
            optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

            def step(*given):
                optimizer.zero_grad()
                loss = model(*given).sum()
                loss.backward()
                optimizer.step()
                return loss

            call = capture(step, strict=True) if captured else step
            seen = []
            for given in (good, good, good, bad, good):
                try:
                    seen.append(described(call(*given)))
                except Exception as error:
                    seen.append((type(error), str(error), getattr(error, "__notes__", None)))
                seen += [described(p) for p in model.parameters()]
        return seen

    expected = trained(captured=False)
    assert trained(captured=True) == expected
    assert any("Outer.layers.0 (" in str(one[1]) for one in expected)


def test_a_state_that_is_written_too_early_is_an_error_while_recording_too():
    layer, state, errors = nn.GRU(3, 4), Tensor.zeros(1, 2, 4), []

    @capture(strict=True)
    def step(x):
        y, last = layer(x, state)
        state.data[...] = last.data
        state.mark_changed()
        y.sum().backward()

    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"GRU saved an array .* changed it") as caught:
            step(Tensor.randn(5, 2, 3))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_labels_to_be_ignored_that_come_later_make_another_plan():
    def trained(captured):
        with generator.seeded(3):
            model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3))
            loss_of, optimizer = nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1)

            def step(x, labels):
                optimizer.zero_grad()
                loss = loss_of(model(x), labels.reshape(-1))
                loss.backward()
                optimizer.step()
                return loss

            call, seen = capture(step, strict=True) if captured else step, []
            for number in range(7):
                rng = np.random.default_rng(number)
                labels = rng.integers(0, 4, (2, 3))
                if number in (3, 5):
                    labels[0, :2] = -100
                seen.append(described(call(Tensor(rng.standard_normal((6, 3))).float(), labels)))
                seen += [described(x) for x in nn.state.get_state_dict(model).values()]
            return seen, generator.get_state(), getattr(call, "plans", [None])

    expected, found = trained(captured=False), trained(captured=True)
    assert found[:2] == expected[:2]
    assert [plan.used for plan in found[2]] == [3]  # recorded when the first came


def _array(values):
    array = np.array(values)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


@pytest.mark.parametrize("name", NOT_CAPTURED)
def test_what_is_not_captured_runs_eagerly(name):
    eager, captured = Twin(FIRST[name]), Twin(FIRST[name])
    captured.call = capture(captured.step)
    assert captured.after(True, 1) == eager.after(True, 1)
    with pytest.warns(UserWarning, match="runs eagerly from now on.*depend"):
        assert captured.after(True, 2) == eager.after(True, 2)
    for call in CALLS[2:]:
        assert captured.after(*call) == eager.after(*call)


def test_lengths_count_by_value_in_a_list_and_are_not_captured_in_an_array():
    layer = nn.GRU(3, 2)
    step = capture(lambda x, lengths: layer(x, lengths=lengths)[0], strict=True)
    for lengths in [[5, 2], [5, 2], [3, 4], [5, 2], [3, 4]]:
        x = Tensor.randn(5, 2, 3)
        assert described(step(x, lengths)) == described(layer(x, lengths=lengths)[0])
    assert len(step.plans) == 2
    for given in (np.array([5, 2]), Tensor([5, 2])):
        step = capture(lambda x, lengths: layer(x, lengths=lengths)[0], strict=True)
        step(x, given)
        with pytest.raises(RuntimeError, match="lengths decide how many rows a step has; give a l"):
            step(x, given)
