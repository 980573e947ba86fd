"""Layers beside PyTorch's of the same name: state, values, gradients, second order, starts."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

LAYERS = {
    "LSTMCell": (lambda lib: lib.LSTMCell(3, 2), [(4, 3), (4, 2), (4, 2)]),
    "LSTMCell of one sample": (lambda lib: lib.LSTMCell(3, 2), [(3,), (2,), (2,)]),
    "LSTMCell without biases": (
        lambda lib: lib.LSTMCell(3, 2, bias=False),
        [(4, 3), (4, 2), (4, 2)],
    ),
    "LSTMCell from zeros": (lambda lib: lib.LSTMCell(3, 2), [(4, 3)]),
    "LayerNorm": (lambda lib: lib.LayerNorm(5), [(2, 3, 5)]),
    "LayerNorm of two axes": (lambda lib: lib.LayerNorm((3, 5), eps=0.1), [(2, 3, 5)]),
    "LayerNorm without a bias": (lambda lib: lib.LayerNorm([5], bias=False), [(2, 5)]),
    "LayerNorm, plain": (lambda lib: lib.LayerNorm(5, elementwise_affine=False), [(2, 5)]),
}


def mixed(layer, x, *state):
    """A number that depends on every result of the layer in a way of its own."""
    result = layer(x, state) if state else layer(x)
    results = result if isinstance(result, tuple) else (result,)
    return sum((power * y**power).sum() for power, y in enumerate(results, 2))


@pytest.fixture(params=LAYERS)
def pair(request):
    """A layer of ours and its twin, with the same random weights in float64, and inputs of both."""
    make, shapes = LAYERS[request.param]
    ours, theirs = make(nn), make(torch.nn).double()
    rng = np.random.default_rng(5)
    assert list(nn.state.get_state_dict(ours)) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        tensor.copy_(torch.from_numpy(rng.standard_normal(tensor.shape)))
        nn.state.get_state_dict(ours)[name].data = tensor.numpy().copy()
    arrays = [rng.standard_normal(shape) for shape in shapes]
    return (
        (ours, [Tensor(array, requires_grad=True) for array in arrays]),
        (theirs, [torch.tensor(array, requires_grad=True) for array in arrays]),
    )


def test_values_gradients_and_second_order(pair):
    (ours, inputs), (theirs, others) = pair
    loss, other = mixed(ours, *inputs), mixed(theirs, *others)
    assert loss.item() == pytest.approx(other.item(), rel=1e-12)
    wanted, sought = [*inputs, *ours.parameters()], [*others, *theirs.parameters()]
    first = grad(loss, wanted, create_graph=True)
    expected = torch.autograd.grad(other, sought, create_graph=True)
    for a, b in zip(first, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    second = grad(sum((g**2).sum() for g in first), wanted)
    expected = torch.autograd.grad(sum((g**2).sum() for g in expected), sought)
    for a, b in zip(second, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_an_lstm_cell_starts_within_the_same_bounds():
    Tensor.manual_seed(0)
    torch.manual_seed(0)
    theirs = torch.nn.LSTMCell(30, 100).state_dict()
    for name, parameter in nn.LSTMCell(30, 100).named_parameters():
        expected = theirs[name].numpy()
        assert parameter.shape == expected.shape
        assert np.abs(parameter.data).max() <= 0.1 * (1 + 1e-6)
        assert parameter.data.std() == pytest.approx(expected.std(), rel=0.1)
