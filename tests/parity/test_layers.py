"""Layers beside PyTorch's of the same name: state, initial values, gradients, second order."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning"),  # of KLDivLoss
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning"),
]

from parity.layer_cases import CASES, TIMED  # noqa: E402
from parity.layer_inputs import flat, mapped  # noqa: E402
from parity.layer_pair import (  # noqa: E402, imports torch
    array_of,
    both,
    demand_the_same_start,
    demand_the_same_state,
    differences,
    with_equal_state,
)

every_case = pytest.mark.parametrize("case", CASES, ids=repr)


@every_case
def test_state_and_parameters_have_the_same_names(case):
    demand_the_same_state(case)


@pytest.mark.parametrize("case", {case.name: case for case in CASES}.values(), ids=repr)
def test_initial_values_have_the_same_distribution(case):
    demand_the_same_start(case)


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_values_gradients_second_order_and_buffers(case, training):
    if training and case.random:
        pytest.skip("it draws numbers")
    found = differences(case, "float64", training)
    assert max(found.values()) < case.exact, found


@every_case
def test_float32_stays_float32(case):
    found = differences(case, "float32", training=not case.random)
    assert max(found.values()) < 1e-4, found


@every_case
def test_arrays_in_any_memory_order_are_taken(case):
    ours, theirs = (layer.eval() for layer in with_equal_state(case, "float64"))
    args, call = case.leaves("float64")

    def called(layer, make):
        given = mapped(make, (tuple(args), tuple(call.values())))
        return [
            None if y is None else array_of(y)
            for y in flat(layer(*given[0], **dict(zip(call, given[1], strict=True))))
        ]

    expected = called(theirs, lambda leaf: torch.tensor(leaf.array))
    found = called(ours, lambda leaf: np.array(leaf.array, order="F"))
    assert [a is None for a in found] == [b is None for b in expected]
    for a, b in zip(found, expected, strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


SIZES = (
    *("in_features", "out_features", "in1_features", "in2_features", "in_channels", "out_channels"),
    *("groups", "num_embeddings", "embedding_dim", "padding_idx", "num_features", "num_channels"),
    *("num_groups", "normalized_shape", "elementwise_affine", "affine", "eps", "momentum", "p"),
    *("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first", "dropout"),
    *("embed_dim", "num_heads", "head_dim", "d_model", "nhead", "negative_slope", "reduction"),
)


@pytest.mark.parametrize("case", {case.name: case for case in CASES}.values(), ids=repr)
def test_sizes_and_options_are_attributes_of_the_same_name(case):
    ours, theirs = both(case)
    for name in SIZES:
        if hasattr(theirs, name) and not isinstance(getattr(theirs, name), torch.nn.Module):
            assert getattr(ours, name) == getattr(theirs, name), name


def test_each_timed_layer_has_a_case():
    assert {case.name.split("(")[0] for case in TIMED} <= {c.name.split("(")[0] for c in CASES}
