"""Every line of docs/gradients-at-corners.md on PyTorch's tensors: the same, or what the page says.

Where the last column of a line names what PyTorch gives, the two differ, and only there.
"""

import contextlib

import numpy as np
import pytest
from corners import LINES, NAMES, Line, run
from parity.beside_torch import check_second
from parity.peer import Peer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# PyTorch's own answer depends on where the element stands in memory.
UNDECIDED = {
    "x.relu6() at x = [nan, 1]",
    "x.hardtanh() at x = [nan, 0.5]",
    "x.elu() at x = [nan, 0]",
    "x.celu() at x = [nan, 0]",
}
COMPARED = [line for line in LINES if line.name not in UNDECIDED]
every_line = pytest.mark.parametrize("line", COMPARED, ids=lambda line: line.name)


def theirs(line: Line, **options):
    """The leaves, the result and the gradients, as run() gives them for ours."""
    arrays = dict(line.given)
    start = arrays.pop("g", None)
    leaves = {
        name: torch.tensor(x).as_subclass(Peer).requires_grad_() for name, x in arrays.items()
    }
    y = eval(line.code, NAMES | leaves)
    start = torch.ones_like(y) if start is None else torch.tensor(start)
    xs = [*leaves.values()]
    found = torch.autograd.grad(y, xs, start, allow_unused=True, **options)
    found = [torch.zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True)]
    return leaves, y, found


def numbers(y, gradients):
    return [x.detach().as_subclass(torch.Tensor).double().numpy() for x in (y, *gradients)]


def are_close(found, expected, rtol):
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=0, equal_nan=True)
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.filterwarnings("ignore:(var|std)\\(\\). degrees of freedom:UserWarning")  # PyTorch's
@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@every_line
def test_a_line_beside_pytorch(line: Line) -> None:
    try:
        _, y, gradients = theirs(line)
    except (IndexError, RuntimeError):
        assert line.error or line.differs
        return
    assert not line.error or line.differs
    if not line.error:
        # To seven digits the same: some constants of PyTorch's are float32's.
        same = not line.differs
        rtol = 1e-7 if same else 1e-12
        assert are_close(numbers(y, gradients), line.expected, rtol) == same


FROM_THE_LEFT = "at the bend ours is the second derivative on the left, as the first one is"
NAN = "PyTorch's is nan; ours is finite"
# Lines whose second derivatives are not PyTorch's, though the first ones are.
SECOND_ORDER_DIFFERS = {
    "x.prelu(w) at x = [0.0, -0.0, 1], w = [0.25]": FROM_THE_LEFT,
    "x.elu() at x = [0.0, -0.0, -800]": FROM_THE_LEFT,
    "x.elu(2.0) at x = [-800, 0, 3]": FROM_THE_LEFT,
    "x.celu(2.0) at x = [-3000, 0, 800, inf]": FROM_THE_LEFT,
    "x.selu() at x = 0": FROM_THE_LEFT,
    "x.hardsigmoid() at x = [-3, 3, 0]": "PyTorch has none",
    "x.multi_margin_loss([0]) at x = [[2, 1]]": "PyTorch has none",
    "x.multilabel_margin_loss([[0, -1]]) at x = [[2, 1]]": "PyTorch has none",
    "a.pairwise_distance(b, eps=0) at a = [1, 2], b = [1, 2]": NAN,
    "x.copysign(-1.0) at x = [0, 2, -2]": NAN,
    "a.atan2(b) at a = [0.0, -0.0, 0.0], b = [0.0, 0.0, -0.0]": NAN,
    "x.sinc() at x = 0": NAN,
    "a ** b at a = 0, b = 0": NAN,
    "a ** b at a = 0, b = 2": NAN,
    "x.norm() at x = [0, 0]": NAN,
    "x.norm(0.5) at x = [0, 0]": NAN,
    "x.norm(0.5) at x = [4, 0]": NAN,
    "x.normalize() at x = [[0, 0]]": NAN,
    "x.det() at x = [[0, 0], [0, 0]]": NAN,
    "x.erf() at x = [-inf, 1e30, inf]": NAN,
    "x.erf() at x = [0, inf, -inf]": NAN,
    'x.huber_loss(t, "none") at x = [nan, 1], t = [0, 0]': "PyTorch's is 0; ours stays nan",
    "x.atan() at x = [-inf, inf]": NAN,
    "x.asinh() at x = [-inf, inf]": NAN,
    "0.0 ** x at x = [0, 0.5, 2, inf]": NAN,
    "x.mish() at x = [-800, 800]": NAN,
    "x.var() at x = [3]": "PyTorch's is 0; ours stays nan",
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")  # see above
@pytest.mark.parametrize(
    "line",
    [line for line in COMPARED if not line.error and not line.differs],
    ids=lambda line: line.name,
)
def test_second_order_beside_pytorch(line: Line) -> None:
    ours, _, first = run(line, np.float64, create_graph=True)
    others, _, expected = theirs(line, create_graph=True)
    differs = pytest.raises((AssertionError, RuntimeError))
    with differs if line.name in SECOND_ORDER_DIFFERS else contextlib.nullcontext():
        rng = np.random.default_rng(7)
        check_second(first, expected, [*ours.values()], [*others.values()], rng)


def test_lines_set_apart_are_on_the_page() -> None:
    assert {*UNDECIDED, *SECOND_ORDER_DIFFERS} <= {line.name for line in LINES}
