"""Recurrent layers beside PyTorch's: sequences of different lengths, and a language model."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning"),
]

from parity.layer_inputs import Case, flat  # noqa: E402
from parity.layer_pair import array_of, with_equal_state  # noqa: E402, imports torch

import nn  # noqa: E402
from tinygrad_lite import Tensor, grad  # noqa: E402

LAYERS = [
    "RNN(3, 2)",
    "RNN(3, 2, 2, 'relu', bidirectional=True)",
    "LSTM(3, 2)",
    "LSTM(3, 2, 2, bidirectional=True)",
    "LSTM(3, 4, 2, bias=False, bidirectional=True, proj_size=2)",
    "GRU(3, 2)",
    "GRU(3, 2, 2, bidirectional=True)",
]


def padded(layer, x, hx, lengths, total):
    """Packed, through PyTorch's layer, and padded again."""
    first = layer.batch_first
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
    output, last = layer(packed, hx)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, first, total_length=total)
    return output, last


@pytest.mark.parametrize("lengths", [[5, 4, 2], [1, 3, 5], [2, 2, 2], [1, 4, 1]], ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_lengths_are_those_of_a_packed_sequence(layer, lengths):
    ours, theirs = with_equal_state(Case(layer), "float64")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((5, 3, 3))]
    count = theirs.num_layers * (1 + theirs.bidirectional)
    widths = [theirs.proj_size or theirs.hidden_size, theirs.hidden_size]
    for width in widths[: 2 if isinstance(ours, nn.LSTM) else 1]:
        arrays.append(rng.standard_normal((count, 3, width)))
    xs = [Tensor(array, requires_grad=True) for array in arrays]
    ys = [torch.tensor(array, requires_grad=True) for array in arrays]

    def state(given):
        return tuple(given[1:]) if len(given) > 2 else given[1]

    found = flat(ours(xs[0], state(xs), lengths=lengths))
    expected = flat(padded(theirs, ys[0], state(ys), lengths, 5))
    wanted = [xs + list(ours.parameters()), ys + list(theirs.parameters())]
    weights = [rng.standard_normal(each.shape) for each in expected]
    loss = sum((y * w).sum() for y, w in zip(found, weights, strict=True))
    other = sum((y * torch.tensor(w)).sum() for y, w in zip(expected, weights, strict=True))
    first = grad(loss, wanted[0], create_graph=True)
    torch_first = torch.autograd.grad(other, wanted[1], create_graph=True)
    second = grad(sum((g**2).sum() for g in first), wanted[0], allow_unused=True)
    torch_second = torch.autograd.grad(
        sum((g**2).sum() for g in torch_first), wanted[1], allow_unused=True
    )
    for a, b in zip(
        [*found, *first, *second], [*expected, *torch_first, *torch_second], strict=True
    ):
        if b is None:
            assert a is None or not a.data.any()
        else:
            np.testing.assert_allclose(a.data, array_of(b), rtol=1e-9, atol=1e-11)


def test_batches_first_are_packed_likewise():
    ours, theirs = with_equal_state(Case("GRU(3, 2, batch_first=True)"), "float64")
    x = np.random.default_rng(0).standard_normal((3, 5, 3))
    output, last = ours(x, lengths=[2, 5, 1])
    expected, expected_last = padded(theirs, torch.tensor(x), None, [2, 5, 1], 5)
    np.testing.assert_allclose(output.data, array_of(expected), rtol=1e-12)
    np.testing.assert_allclose(last.data, array_of(expected_last), rtol=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinite_and_missing_numbers_spread_alike(kind, dtype):
    ours, theirs = with_equal_state(Case(f"{kind}(3, 2, bidirectional=True)"), dtype)
    x = np.random.default_rng(0).standard_normal((4, 5, 3)).astype(dtype)
    x[1, 0, 1], x[2, 1, 0], x[2, 2, 2], x[0, 3] = np.nan, np.inf, -np.inf, 1e4
    for a, b in zip(flat(ours(x)), flat(theirs(torch.tensor(x))), strict=True):
        np.testing.assert_allclose(a.data, array_of(b), rtol=1e-5, atol=1e-7)


TEXT = np.random.default_rng(1).integers(0, 12, (61, 4))  # 4 columns of text, of 12 words
STEPS, WIDTH = 10, 8


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_language_model_trains_to_the_same_loss(kind):
    """Truncated backpropagation through time: the state of a chunk, detached, starts the next."""
    layer, other = with_equal_state(Case(f"{kind}({WIDTH}, {WIDTH}, 2)"), "float64")
    rng = np.random.default_rng(2)
    start = rng.uniform(-0.5, 0.5, (12, WIDTH))
    table, word = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    ours = nn.optim.SGD([table, *layer.parameters()], 0.1)
    theirs = torch.optim.SGD([word, *other.parameters()], 0.1)
    for _ in range(3):
        state = torch_state = None
        for at in range(0, 60, STEPS):
            x, target = TEXT[at : at + STEPS], TEXT[at + 1 : at + 1 + STEPS].reshape(-1)
            output, state = layer(table[x], state)
            loss = (output.reshape(-1, WIDTH) @ table.T).cross_entropy(target)
            output, torch_state = other(word[torch.tensor(x)], torch_state)
            torch_loss = torch.nn.functional.cross_entropy(
                output.reshape(-1, WIDTH) @ word.T, torch.tensor(target)
            )
            state, torch_state = detached(state), detached(torch_state)
            for optimizer, each in ((ours, loss), (theirs, torch_loss)):
                optimizer.zero_grad()
                each.backward()
                optimizer.step()
            assert loss.item() == pytest.approx(torch_loss.item(), rel=1e-9)
    np.testing.assert_allclose(table.data, array_of(word), rtol=1e-7, atol=1e-9)


def detached(state):
    return tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach()
