"""Rows of the methods in tinygrad_lite/methods/creation.py.

The constructors take no tensors: `shapes=[()]` is one variant without inputs.  Of `empty`, whose
values are undefined, shape and dtype are compared.
"""

from functools import partial

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row

# Constants, which have a dtype of their own; values are float32.
Made = partial(Row, shapes=[()], constant=True, casts=True, rtol=1e-6)
# Constants in the shape and dtype of a tensor.
Like = partial(Row, shapes=[((2, 3),), ((),), ((0, 2),)], kinds="fib", constant=True)

ROWS: list[Row] = [
    Made(
        "empty",
        lambda: Tensor.empty(2, 3).ones_like(),
        lambda: np.ones((2, 3)),
        torch=lambda torch: torch.ones(2, 3),
    ),
    Made(
        "zeros",
        lambda: (Tensor.zeros(2, 3), Tensor.zeros((2, 3)), Tensor.zeros(), Tensor.zeros(0, 2)),
        lambda: (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(()), np.zeros((0, 2))),
        torch=lambda torch: (
            torch.zeros(2, 3),
            torch.zeros((2, 3)),
            torch.zeros(()),
            torch.zeros(0, 2),
        ),
    ),
    Made(
        "zeros",
        lambda: [Tensor.zeros(2, dtype=dtype) for dtype in ("float16", "int64", "bool")],
        lambda: [np.zeros(2)] * 3,
        torch=lambda torch: [
            torch.zeros(2, dtype=dtype) for dtype in (torch.float16, torch.int64, torch.bool)
        ],
        note="dtype",
    ),
    Made(
        "ones",
        lambda: (Tensor.ones(2, 3), Tensor.ones([2]), Tensor.ones(), Tensor.ones(3, dtype="int8")),
        lambda: (np.ones((2, 3)), np.ones(2), np.ones(()), np.ones(3)),
        torch=lambda torch: (
            *(torch.ones(2, 3), torch.ones([2]), torch.ones(())),
            torch.ones(3, dtype=torch.int8),
        ),
    ),
    Made(
        "full",
        lambda: [Tensor.full((2, 3), value) for value in (2.5, 7, True, np.inf)],
        lambda: [np.full((2, 3), value) for value in (2.5, 7, True, np.inf)],
        torch=lambda torch: [torch.full((2, 3), value) for value in (2.5, 7, True, torch.inf)],
    ),
    Made(
        "full",
        lambda: (Tensor.full(3, 2.5, dtype=np.float64), Tensor.full((), -1.5, dtype=np.int64)),
        lambda: (np.full(3, 2.5), np.full((), -1)),
        torch=lambda torch: (
            torch.full((3,), 2.5, dtype=torch.float64),
            torch.full((), -1.5, dtype=torch.int64),
        ),
        note="dtype",
    ),
    Made(
        "arange",
        lambda: [
            *(Tensor.arange(5), Tensor.arange(5.0), Tensor.arange(2, 9, 3), Tensor.arange(0)),
            *(Tensor.arange(5, 0, -2), Tensor.arange(0, 1, 0.1), Tensor.arange(1, -1, -0.3)),
        ],
        lambda: [
            *(np.arange(5), np.arange(5), np.arange(2, 9, 3), np.zeros(0)),
            *(np.array([5, 3, 1]), np.arange(10) / 10, 1 - np.arange(7) * 0.3),
        ],
        torch=lambda torch: [
            *(torch.arange(5), torch.arange(5.0), torch.arange(2, 9, 3), torch.arange(0)),
            *(torch.arange(5, 0, -2), torch.arange(0, 1, 0.1), torch.arange(1, -1, -0.3)),
        ],
    ),
    Made(
        "arange",
        lambda: (Tensor.arange(0, 4, dtype=np.float16), Tensor.arange(0.0, 4.0, dtype=np.int32)),
        lambda: (np.arange(4), np.arange(4)),
        torch=lambda torch: (
            torch.arange(0, 4, dtype=torch.float16),
            torch.arange(0.0, 4.0, dtype=torch.int32),
        ),
        note="dtype",
    ),
    Made(
        "arange",
        lambda: Tensor.arange(5, 1),
        lambda: np.zeros(0),
        torch=None,
        note="step away from stop: none, as in NumPy and tinygrad; PyTorch raises",
    ),
    Made(
        "linspace",
        lambda: [
            *(Tensor.linspace(0, 1, 5), Tensor.linspace(2.0, -1.0, 7), Tensor.linspace(3, 4, 1)),
            *(Tensor.linspace(3, 4, 0), Tensor.linspace(-1, 1, 4, dtype=np.float64)),
        ],
        lambda: [
            *(np.arange(5) / 4, 2 - np.arange(7) / 2, [3.0], []),
            np.array([-1, -1 / 3, 1 / 3, 1]),
        ],
        torch=lambda torch: [
            *(torch.linspace(0, 1, 5), torch.linspace(2.0, -1.0, 7), torch.linspace(3, 4, 1)),
            *(torch.linspace(3, 4, 0), torch.linspace(-1, 1, 4, dtype=torch.float64)),
        ],
    ),
    Made(
        "linspace",
        lambda: Tensor.linspace(-1, 4, 4, dtype=np.int64),
        lambda: np.array([-1, 0, 2, 4]),
        torch=lambda torch: torch.linspace(-1, 4, 4, dtype=torch.int64),
        note="integers",
    ),
    Made(
        "eye",
        lambda: (
            Tensor.eye(3),
            Tensor.eye(2, 3),
            Tensor.eye(3, m=1),
            Tensor.eye(0),
            Tensor.eye(2, 0),
        ),
        lambda: (
            *([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0]], [[1], [0], [0]]),
            *(np.zeros((0, 0)), np.zeros((2, 0))),
        ),
        torch=lambda torch: (
            *(torch.eye(3), torch.eye(2, 3), torch.eye(3, m=1)),
            *(torch.eye(0), torch.eye(2, 0)),
        ),
    ),
    Made(
        "eye",
        lambda: Tensor.eye(2, dtype=np.int32),
        lambda: np.array([[1, 0], [0, 1]]),
        torch=lambda torch: torch.eye(2, dtype=torch.int32),
        note="dtype",
    ),
    Like(
        "new_empty",
        lambda x: x.new_empty(3, 2).ones_like(),
        lambda x: np.ones((3, 2), x.dtype),
        torch=lambda torch, x: x.new_ones(3, 2),
    ),
    Like("new_zeros", lambda x: x.new_zeros((2, 0)), lambda x: np.zeros((2, 0), x.dtype)),
    Like("new_ones", lambda x: x.new_ones(2, 3), lambda x: np.ones((2, 3), x.dtype)),
    Like("new_full", lambda x: x.new_full((2,), 1), lambda x: np.ones((2,), x.dtype)),
    Like("new_tensor", lambda x: x.new_tensor([1, 0]), lambda x: np.array([1, 0], x.dtype)),
    Like("empty_like", lambda x: x.empty_like().ones_like(), np.ones_like),
    Like("zeros_like", lambda x: x.zeros_like(), np.zeros_like),
    Like("ones_like", lambda x: x.ones_like(), np.ones_like),
    Like("full_like", lambda x: x.full_like(2.5), lambda x: np.full_like(x, 2.5)),
    *(
        Like(
            name,
            lambda x, name=name: getattr(x, name)(*[3][: name == "full_like"], dtype=np.int32),
            lambda x, value=value: np.full(x.shape, value),
            torch=lambda torch, x, name=name: getattr(torch, name)(
                x, *[3][: name == "full_like"], dtype=torch.int32
            ),
            casts=True,
            note="dtype",
        )
        for name, value in (("zeros_like", 0), ("ones_like", 1), ("full_like", 3))
    ),
]

X = Tensor([1, 2])

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor.zeros(2, -1),
        ValueError,
        "zeros: shape: expected sizes of 0 or more; got (2, -1)",
    ),
    Mistake(
        lambda: Tensor.full((-3,), 1.0),
        ValueError,
        "full: shape: expected sizes of 0 or more; got (-3,)",
    ),
    Mistake(lambda: Tensor.ones(2.5), TypeError, "ones: shape: expected an integer; got 2.5"),
    Mistake(
        lambda: Tensor.full(2, [1.0]), TypeError, "full: fill_value: expected a number; got [1.0]"
    ),
    Mistake(
        lambda: Tensor.full(2, 300, dtype=np.uint8),
        ValueError,
        "full: fill_value: 300 does not fit into uint8, which holds 0 to 255",
    ),
    Mistake(
        lambda: Tensor.full(2, 1e5, dtype=np.float16),
        ValueError,
        "full: fill_value: 100000.0 does not fit into float16",
    ),
    Mistake(
        lambda: X.full_like(float("nan")),
        ValueError,
        "full_like: fill_value: nan does not fit into int64, which holds integers",
    ),
    Mistake(
        lambda: Tensor.arange(1, 2, 0),
        ValueError,
        "arange: expected finite numbers and a step other than 0; got 1, 2, 0",
    ),
    Mistake(
        lambda: Tensor.arange(X),
        TypeError,
        "arange: stop: expected a number; got Tensor of shape (2,), int64; no gradient flows "
        "there: take its item()",
    ),
    Mistake(
        lambda: Tensor.linspace(0, 1, -1),
        ValueError,
        "linspace: steps: expected an integer of 0 or more; got -1",
    ),
    Mistake(
        lambda: Tensor.linspace(0, 1, 2.0),
        TypeError,
        "linspace: steps: expected an integer; got 2.0",
    ),
    Mistake(
        lambda: Tensor.linspace(0, 1, 2, dtype=bool),
        TypeError,
        "linspace: expected a dtype of numbers; got bool",
    ),
    Mistake(
        lambda: Tensor.eye(2, -2), ValueError, "eye: m: expected an integer of 0 or more; got -2"
    ),
    Mistake(
        lambda: Tensor.arange(3, requires_grad=True),
        TypeError,
        "requires_grad: only float tensors have gradients; got int64; "
        "write Tensor(data, dtype=np.float32, requires_grad=True)",
    ),
]
