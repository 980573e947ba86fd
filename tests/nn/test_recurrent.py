"""Recurrent layers and cells: by a plain loop in float64, their lengths, errors, and training."""

import gc
import itertools
import re
import weakref

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng


@pytest.fixture(autouse=True)
def seeded():
    Tensor.manual_seed(0)


# A plain loop, one step of one sequence at a time


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(layer, x, state, weights):
    """The state after one step, of one sequence."""
    w, v, b, d, p = weights
    h, *c = state
    zx, zh = w @ x + b, v @ h + d
    if isinstance(layer, nn.RNN | nn.RNNCell):
        z = zx + zh
        return [np.maximum(z, 0) if layer.nonlinearity == "relu" else np.tanh(z)]
    if isinstance(layer, nn.GRU | nn.GRUCell):
        (xr, xu, xn), (hr, hu, hn) = np.split(zx, 3), np.split(zh, 3)
        u = sigmoid(xu + hu)
        return [(1 - u) * np.tanh(xn + sigmoid(xr + hr) * hn) + u * h]
    i, f, g, o = np.split(zx + zh, 4)
    new = sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)
    return [p @ (sigmoid(o) * np.tanh(new)), new]


def weights_of(layer, suffix=""):
    state = {name: tensor.data.astype(float) for name, tensor in layer.named_parameters()}
    keys = "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"
    return [
        state.get(key + suffix, 0.0 if "bias" in key else np.eye(layer.hidden_size)) for key in keys
    ]


def by_loop(layer, x, states, lengths):
    """Outputs (L, N, ...) and the last states, all in float64.  x: (L, N, in)."""
    ends = [list(state) for state in states]
    part = 0
    for level in range(layer.num_layers):
        outputs = []
        for suffix in (f"_l{level}", f"_l{level}_reverse")[: 1 + layer.bidirectional]:
            weights = weights_of(layer, suffix)
            y = np.zeros((*x.shape[:2], states[0].shape[2]))
            for n, length in enumerate(lengths):
                state = [each[part, n] for each in states]
                steps = range(length)
                for t in reversed(steps) if suffix.endswith("reverse") else steps:
                    state = cell(layer, x[t, n], state, weights)
                    y[t, n] = state[0]
                for k, each in enumerate(state):
                    ends[k][part] = ends[k][part].copy()
                    ends[k][part][n] = each
            outputs.append(y)
            part += 1
        x = np.concatenate(outputs, axis=2)
    return x, [np.stack(each) for each in ends]


def states_of(layer, batch, rng):
    """Random first states, as arrays."""
    count = layer.num_layers * (1 + layer.bidirectional)
    widths = [getattr(layer, "proj_size", 0) or layer.hidden_size, layer.hidden_size]
    number = 2 if isinstance(layer, nn.LSTM) else 1
    return [rng.standard_normal((count, batch, width)) for width in widths[:number]]


def called(layer, x, states, lengths=None):
    """Outputs and a list of the last states, as arrays."""
    hx = tuple(states) if isinstance(layer, nn.LSTM) else states[0]
    output, last = layer(x, hx, lengths)
    return output, list(last) if isinstance(last, tuple) else [last]


LAYERS = {
    "rnn": lambda **o: nn.RNN(3, 4, **o),
    "relu": lambda **o: nn.RNN(3, 4, nonlinearity="relu", **o),
    "lstm": lambda **o: nn.LSTM(3, 4, **o),
    "projected": lambda **o: nn.LSTM(3, 4, proj_size=2, **o),
    "gru": lambda **o: nn.GRU(3, 4, **o),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


@every_layer
@pytest.mark.parametrize("lengths", [None, [2, 5, 1, 4], [3, 3, 3, 3], [5, 5, 5, 5]])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_a_layer_is_a_loop_over_its_steps(make, options, lengths):
    layer, rng = make(dtype=np.float64, **options), RNG(0)
    x, states = rng.standard_normal((5, 4, 3)), states_of(layer, 4, rng)
    expected, ends = by_loop(layer, x, states, lengths or [5] * 4)
    output, last = called(layer, x, states, lengths)
    np.testing.assert_allclose(output.data, expected, rtol=1e-13, atol=1e-14)
    for a, b in zip(last, ends, strict=True):
        np.testing.assert_allclose(a.data, b, rtol=1e-13, atol=1e-14)


@every_layer
def test_float32_is_within_rounding_of_float64(make):
    layer, rng = make(num_layers=2, bidirectional=True), RNG(0)
    x, states = rng.standard_normal((40, 4, 3)), states_of(layer, 4, rng)
    x, states = x.astype(np.float32), [each.astype(np.float32) for each in states]
    output, last = called(layer, x, states)
    expected, ends = by_loop(layer, x.astype(float), states, [40] * 4)
    for a, b in zip([output, *last], [expected, *ends], strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a.data, b, rtol=1e-5, atol=2e-6)


@every_layer
@pytest.mark.parametrize("lengths", [None, [1, 3, 2]])
def test_gradients_by_finite_differences(make, lengths):
    levels = 2 if lengths is None else 1
    layer, rng = make(num_layers=levels, bidirectional=True, dtype=np.float64), RNG(1)
    x = Tensor(rng.standard_normal((3, 3, 3)), requires_grad=True)
    states = [Tensor(each, requires_grad=True) for each in states_of(layer, 3, rng)]

    def run(x, *rest):
        output, last = called(layer, x, rest[: len(states)], lengths)
        return Tensor.cat(output.flatten(), *(each.flatten() for each in last))

    assert gradcheck(run, [x, *states, *layer.parameters()])


@every_layer
def test_second_order_by_finite_differences(make):
    layer, rng = make(bidirectional=True, dtype=np.float64), RNG(1)
    x = Tensor(rng.standard_normal((2, 2, 3)), requires_grad=True)
    states = [Tensor(each, requires_grad=True) for each in states_of(layer, 2, rng)]

    def run(x, *rest):
        output, last = called(layer, x, rest, [1, 2])
        return Tensor.cat(output.flatten(), *(each.flatten() for each in last)).square()

    assert gradgradcheck(run, [x, *states])


# Lengths


@every_layer
@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_what_comes_after_a_sequence_is_not_read_and_gets_no_gradient(make, garbage):
    layer, rng = make(num_layers=2, bidirectional=True, dtype=np.float64), RNG(0)
    x, lengths = rng.standard_normal((5, 3, 3)), [2, 5, 3]
    after = np.arange(5)[:, None] >= lengths

    def run(fill):
        given = Tensor(np.where(after[..., None], fill, x), requires_grad=True)
        layer.zero_grad()
        output, last = called(layer, given, states_of(layer, 3, RNG(3)), lengths)
        cotangent = RNG(4).standard_normal(output.shape)
        cotangent[after] = fill  # reaches outputs that are constant
        output.backward(cotangent, retain_graph=True)
        last[0].square().sum().backward()
        return output, last, given.grad, [p.grad for p in layer.parameters()]

    (y, last, gx, gw), (y0, last0, gx0, gw0) = run(garbage), run(0.0)
    assert (y.data[after] == 0).all()
    assert (gx.data[after] == 0).all()
    assert gx.data[~after].any()
    for a, b in zip([y, *last, gx, *gw], [y0, *last0, gx0, *gw0], strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@every_layer
def test_each_sequence_is_what_it_is_alone(make):
    layer, rng = make(bidirectional=True, batch_first=True, dtype=np.float64), RNG(0)
    x, lengths = rng.standard_normal((4, 6, 3)), [6, 1, 3, 6]
    output, last = called(layer, x, states := states_of(layer, 4, rng), lengths)
    for n, length in enumerate(lengths):
        alone, ends = called(layer, x[n, :length], [each[:, n] for each in states])
        np.testing.assert_allclose(output.data[n, :length], alone.data, rtol=1e-13)
        for a, b in zip(last, ends, strict=True):
            np.testing.assert_allclose(a.data[:, n], b.data, rtol=1e-13)


@pytest.mark.parametrize(
    "form", [tuple, np.array, lambda n: Tensor(n), lambda n: np.array(n, "u1")]
)
def test_lengths_come_as_lists_arrays_or_tensors(form):
    layer, x = nn.GRU(3, 2), RNG(0).standard_normal((4, 2, 3)).astype(np.float32)
    expected, given = layer(x, lengths=[3, 4])[0], layer(x, lengths=form([3, 4]))[0]
    np.testing.assert_array_equal(given.data, expected.data)


def test_one_sequence_may_have_a_length():
    layer, x = nn.LSTM(3, 2, bidirectional=True), RNG(0).standard_normal((4, 3)).astype(np.float32)
    output, (h, c) = layer(x, lengths=[3])
    alone, (h_alone, c_alone) = layer(x[:3])
    np.testing.assert_array_equal(output.data[:3], alone.data)
    assert (output.data[3] == 0).all()
    assert (h.tolist(), c.tolist()) == (h_alone.tolist(), c_alone.tolist())


# Shapes, dtypes, layouts


@every_layer
def test_shapes(make):
    for levels, both, first in itertools.product((1, 2), (False, True), (False, True)):
        layer = make(num_layers=levels, bidirectional=both, batch_first=first)
        width = getattr(layer, "proj_size", 0) or 4
        for steps, batch in ((5, 2), (1, 1), (1, 3), (4, 0)):
            shape = (batch, steps) if first else (steps, batch)
            states = states_of(layer, batch, RNG(0))
            output, last = called(
                layer, np.zeros((*shape, 3), np.float32), [s.astype("f") for s in states]
            )
            assert output.shape == (*shape, width * (1 + both))
            assert [each.shape for each in last] == [each.shape for each in states]
            assert {each.dtype for each in (output, *last)} == {np.dtype(np.float32)}
        output, last = layer(np.zeros((5, 3), np.float32))
        assert output.shape == (5, width * (1 + both))


def test_an_empty_batch_has_gradients_of_zero():
    layer = nn.LSTM(3, 2, 2, bidirectional=True)
    x = Tensor.zeros(4, 0, 3, requires_grad=True)
    layer(x, lengths=[])[0].sum().backward()
    assert x.grad.shape == (4, 0, 3)
    assert all((p.grad.data == 0).all() for p in layer.parameters())


@every_layer
def test_float16_is_computed_in_float32(make):
    layer, exact = make(num_layers=2, dtype=np.float16), make(num_layers=2)
    for ours, wide in zip(layer.parameters(), exact.parameters(), strict=True):
        wide.data = ours.data.astype(np.float32)
    x = RNG(0).standard_normal((30, 4, 3)).astype(np.float16)
    output, last = layer(x)
    expected, _ = exact(x.astype(np.float32))
    assert output.dtype == (last[0] if isinstance(last, tuple) else last).dtype == np.float16
    np.testing.assert_array_equal(output.data, expected.data.astype(np.float16))
    output.sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(np.float16)}


@every_layer
def test_any_memory_layout_is_taken(make):
    layer, rng = make(dtype=np.float64), RNG(0)
    x, states = rng.standard_normal((5, 4, 3)), states_of(layer, 4, rng)
    expected, _ = called(layer, x, states)
    for turn in (
        np.asfortranarray,
        lambda a: np.repeat(a, 2, -1)[..., ::2],
        lambda a: a[::-1].copy()[::-1],
    ):
        found, _ = called(layer, turn(x), [turn(each) for each in states])
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-14)


# Saturation, and numbers that are none


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_gates_are_exact_and_silent(dtype):
    lstm, gru = nn.LSTM(1, 1, dtype=dtype), nn.GRU(1, 1, dtype=dtype)
    for layer in (lstm, gru):
        for parameter in layer.parameters():
            parameter.data[...] = 0
    lstm.weight_ih_l0.data[:, 0] = [800, 800, 800, 800]
    x = Tensor(np.array([[1], [1], [-1]], dtype), requires_grad=True)
    output, (_, c) = lstm(x)
    assert c.tolist() == [[0.0]]
    np.testing.assert_allclose(output.data[:, 0], [np.tanh(1), np.tanh(2), 0], rtol=1e-6)
    output.sum().backward()
    assert x.grad.tolist() == [[0], [0], [0]]
    gru.weight_ih_l0.data[:, 0] = [800, -800, 800]  # takes the new state; with x = -1 keeps the old
    x = Tensor(np.array([[1], [-1], [-1]], dtype), requires_grad=True)
    output, _ = gru(x)
    assert output.tolist() == [[1], [1], [1]]
    output.sum().backward()
    assert x.grad.tolist() == [[0], [0], [0]]


def test_a_closed_gate_keeps_its_small_values():
    """By (1 + tanh(z / 2)) / 2, a forget gate of e^-30 would be 0."""
    layer = nn.LSTM(1, 1)
    for parameter in layer.parameters():
        parameter.data[...] = 0
    layer.bias_ih_l0.data[:] = [-90, -30, 0, 0]
    state = np.ones((1, 1), np.float32)
    c = layer(np.ones((1, 1), np.float32), (state, state))[1][1]
    assert c.item() == pytest.approx(np.exp(-30), rel=1e-6)


@every_layer
def test_nan_stays_in_its_sequence(make):
    layer, x = make(), RNG(0).standard_normal((4, 2, 3)).astype(np.float32)
    expected = layer(x)[0].data
    x[1, 0, 2] = np.nan
    found = layer(x)[0].data
    assert np.isnan(found[1:, 0]).all()
    np.testing.assert_allclose(found[:, 1], expected[:, 1], rtol=1e-6)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


# Parameters and options


def test_parameters_and_their_start():
    layer = nn.LSTM(3, 16, 2, bidirectional=True, proj_size=2)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    suffixes = ["_l0", "_l0_reverse", "_l1", "_l1_reverse"]
    assert [name for name, _ in layer.named_parameters()] == [
        n + s for s in suffixes for n in names
    ]
    shapes = [nn.state.get_state_dict(layer)[name + "_l1"].shape for name in names]
    assert shapes == [(64, 4), (64, 2), (64,), (64,), (2, 16)]
    values = np.concatenate([p.data.ravel() for p in layer.parameters()])
    assert 0.24 < np.abs(values).max() <= 0.25
    assert values.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.05)


def test_a_cell_starts_with_the_same_numbers_as_ever():
    """A seeded program keeps its results from version to version."""
    values = np.concatenate([p.data.ravel() for p in nn.LSTMCell(3, 2).parameters()])
    ends = values[[0, 23, 24, 39, 40, 47, 48, 55]]  # the first and the last of each parameter
    pinned = [0.49585754, -0.70323396, -0.14969575, -0.10933685]
    pinned += [-0.13684148, 0.20815736, -0.34322995, 0.6800038]
    np.testing.assert_array_equal(ends, np.array(pinned, np.float32))


def test_dropout_comes_between_levels_and_in_training_only():
    layer, x = nn.GRU(3, 50, 2, dropout=0.5), RNG(0).standard_normal((4, 20, 3)).astype(np.float32)
    assert np.abs(layer(x)[0].data - layer(x)[0].data).max() > 0
    assert (layer(x)[0].data != 0).all()  # the outputs themselves are not dropped
    np.testing.assert_array_equal(layer(x)[1].data[0], layer(x)[1].data[0])  # nor is level 0
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)
    always = nn.GRU(3, 5, 2, dropout=1.0)
    blind = nn.GRU(3, 5, 2, dropout=1.0)
    nn.state.load_state_dict(blind, nn.state.get_state_dict(always))
    np.testing.assert_array_equal(always(x)[0].data, blind(0 * x)[0].data)


def test_dropout_without_levels_is_pointed_out():
    with pytest.warns(
        UserWarning, match="LSTM: dropout comes between levels, and num_layers=1 has "
    ):
        nn.LSTM(3, 2, dropout=0.5)


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (nn.RNN(3, 4, 2, "relu"), "RNN(3, 4, num_layers=2, nonlinearity=relu"),
        (nn.GRU(3, 4, bias=False, batch_first=True), "GRU(3, 4, bias=False, batch_first=True"),
        (
            nn.LSTM(3, 4, 2, dropout=0.5, bidirectional=True, proj_size=2),
            "LSTM(3, 4, num_layers=2, dropout=0.5, bidirectional=True, proj_size=2",
        ),
        (nn.GRUCell(3, 4, bias=False), "GRUCell(3, 4, bias=False"),
        (nn.RNNCell(3, 4, nonlinearity="relu"), "RNNCell(3, 4, nonlinearity=relu"),
    ],
)
def test_the_options_are_shown(layer, shown):
    assert repr(layer).startswith(shown)


X, F32 = np.zeros((5, 2, 3), np.float32), np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.LSTM(0, 2), "LSTM: input_size: expected an integer of 1 or more; got 0"),
        (lambda: nn.GRU(2, 0), "GRU: hidden_size: expected an integer of 1 or more; got 0"),
        (lambda: nn.RNN(2, 2, 0), "RNN: num_layers: expected an integer of 1 or more; got 0"),
        (
            lambda: nn.RNN(2, 2, nonlinearity="tan"),
            'RNN: nonlinearity: expected "tanh" or "relu"; got \'tan\'; did you mean "tanh"?',
        ),
        (
            lambda: nn.RNNCell(2, 2, nonlinearity="cos"),
            'RNNCell: nonlinearity: expected "tanh" or "relu"; got \'cos\'',
        ),
        (lambda: nn.LSTM(2, 2, dropout=2), "LSTM: dropout: expected a number from 0 to 1; got 2"),
        (
            lambda: nn.LSTM(2, 3, proj_size=3),
            "LSTM: proj_size: expected an integer below hidden_size, 3; got 3",
        ),
        (
            lambda: nn.LSTM(2, 3, proj_size=-1),
            "LSTM: proj_size: expected an integer of 0 or more; got -1",
        ),
        (
            lambda: nn.LSTM(2, 3)(X),
            "LSTM: expected (L, N, 2) or (L, 2); got (5, 2, 3)",
        ),
        (
            lambda: nn.GRU(4, 3, batch_first=True)(X),
            "GRU: expected (N, L, 4) or (L, 4); got (5, 2, 3)",
        ),
        (lambda: nn.GRU(3, 3)(X[0, 0]), "GRU: expected (L, N, 3) or (L, 3); got (3,)"),
        (
            lambda: nn.GRU(3, 3)(X[:0]),
            "GRU: expected a sequence of one step or more; got (0, 2, 3)",
        ),
        (
            lambda: nn.GRU(3, 4, 2)(X, np.zeros((1, 2, 4), F32)),
            "GRU: hx: expected h of (2, 2, 4); got (1, 2, 4)",
        ),
        (
            lambda: nn.GRU(3, 4)(X[:, 0], np.zeros((1, 1, 4), F32)),
            "GRU: hx: expected h of (1, 4); got (1, 1, 4)",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, (np.zeros((1, 2, 4), F32), np.zeros((1, 2, 3), F32))),
            "LSTM: hx: expected c of (1, 2, 4); got (1, 2, 3)",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, lengths=[5]),
            "LSTM: lengths: expected 2, one for each sequence; got 1",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, lengths=[5, 0]),
            "LSTM: lengths: expected integers from 1 to 5; got 0",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, lengths=np.array([6, 1])),
            "LSTM: lengths: expected integers from 1 to 5; got 6",
        ),
        (
            lambda: nn.GRUCell(3, 4)(X),
            "GRUCell: expected (N, 3) or (3,); got (5, 2, 3)",
        ),
        (
            lambda: nn.RNNCell(3, 4)(X[0], np.zeros((3, 4), F32)),
            "RNNCell: hx: expected (2, 4), for an input of (2, 3); got (3, 4)",
        ),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.LSTM(3, 4, bias=1), "LSTM: bias: expected True or False; got 1"),
        (
            lambda: nn.LSTM(3, 4, bidirectional=None),
            "LSTM: bidirectional: expected True or False; got None",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, X),
            "LSTM: hx: expected (h, c); got ndarray of shape (5, 2, 3), float32",
        ),
        (
            lambda: nn.LSTMCell(3, 4)(X[0], [X]),
            "LSTMCell: hx: expected (h, c); got [ndarray of shape (5, 2, 3), float32]",
        ),
        (
            lambda: nn.GRU(3, 4)(X, (X, X)),
            "GRU: hx: expected a Tensor or an ndarray of numbers; got tuple",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, lengths=[5.0, 1]),
            "LSTM: lengths: expected a list of integers, one for each sequence; got [5.0, 1]",
        ),
        (
            lambda: nn.LSTM(3, 4)(X, lengths=5),
            "LSTM: lengths: expected a list of integers, one for each sequence; got 5",
        ),
        (
            lambda: nn.GRU(3, 4)([[1.0, 2.0, 3.0]]),
            "GRU: expected a Tensor or an ndarray of numbers; got list",
        ),
    ],
)
def test_wrong_types_are_named(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call()


# Cells


@pytest.mark.parametrize(
    "layer",
    [
        nn.RNNCell(3, 2, dtype=np.float64),
        nn.RNNCell(3, 2, False, "relu", dtype=np.float64),
        nn.GRUCell(3, 2, dtype=np.float64),
        nn.GRUCell(3, 2, bias=False, dtype=np.float64),
    ],
    ids=repr,
)
def test_cells_by_formula(layer):
    rng = RNG(0)
    for shape in ((4,), (), (0,), (1,)):
        x, h = rng.standard_normal((*shape, 3)), rng.standard_normal((*shape, 2))
        for state in (h, np.zeros_like(h)):
            pairs = zip(np.atleast_2d(x), np.atleast_2d(state), strict=True)
            expected = [cell(layer, a, [b], weights_of(layer))[0] for a, b in pairs]
            found = layer(x, state) if state is h else layer(x)
            assert found.shape == h.shape
            np.testing.assert_allclose(found.data, np.reshape(expected, h.shape), rtol=1e-13)
    assert gradcheck(layer, [Tensor(x, requires_grad=True), Tensor(h, requires_grad=True)])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_loop_of_cells_is_the_layer(name):
    layer, step = getattr(nn, name)(3, 4), getattr(nn, f"{name}Cell")(3, 4)
    of_layer = nn.state.get_state_dict(layer)
    nn.state.load_state_dict(step, {k: of_layer[f"{k}_l0"] for k in nn.state.get_state_dict(step)})
    x, state = RNG(0).standard_normal((6, 2, 3)).astype(np.float32), None
    for each, expected in zip(x, layer(x)[0], strict=True):
        state = step(each, state)
        h = state[0] if name == "LSTM" else state
        np.testing.assert_allclose(h.data, expected.data, rtol=1e-5, atol=1e-6)


# Memory, and training


@every_layer
def test_saved_arrays_are_freed_after_backward(make):
    layer = make(num_layers=2, bidirectional=True)
    gc.disable()
    try:
        output, _ = layer(np.ones((5, 2, 3), np.float32))
        kept = [weakref.ref(array) for array in arrays_saved_by(output)]
        assert len(kept) > 8
        output.sum().backward()
        del output, _
        parameters = {id(p.data) for p in layer.parameters()}
        assert [ref for ref in kept if ref() is not None and id(ref()) not in parameters] == []
    finally:
        gc.enable()


def arrays_saved_by(tensor):
    """The arrays that the backward pass of a tensor reads."""
    stack, seen, found = [tensor._node], set(), []
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        stack += node.parents
        found += node.kept_arrays() if hasattr(node, "kept_arrays") else []
    return found


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_learns_which_of_two_symbols_came_first(name):
    layer, rng = getattr(nn, name)(1, 8, batch_first=True), RNG(0)
    head = nn.Linear(8, 1)
    optimizer = nn.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    for _ in range(120):
        lengths = rng.integers(2, 7, 32)
        x = rng.choice([-1.0, 1.0], (32, 6, 1)).astype(np.float32)
        last = layer(x, lengths=lengths)[1]
        h = last[0][0] if name == "LSTM" else last[0]
        loss = (head(h)[:, 0] - x[:, 0, 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1  # 1 for one that knows nothing
