"""Rows of the methods in tinygrad_lite/methods/joining.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

PAIRS = [((2, 3), (2, 3)), ((0, 3), (0, 3))]

ROWS: list[Row] = [
    Row(
        "cat",
        lambda a, b: a.cat(b, axis=-1),
        lambda a, b: np.concatenate((a, b), -1),
        [((2, 3), (2, 1)), ((2, 0), (2, 3)), ((2,), (1,))],
        kinds="fib",
    ),
    Row(
        "cat",
        lambda a, b: Tensor.cat([a, b, a]),
        lambda a, b: np.concatenate((a, b, a)),
        PAIRS,
        torch=lambda torch, a, b: torch.cat((a, b, a)),
        note="a list, one tensor twice",
    ),
    Row(
        "cat",
        lambda a, b: Tensor.cat([a, b], -1),
        lambda a, b: np.concatenate((a, b), -1),
        PAIRS,
        torch=lambda torch, a, b: torch.cat([a, b], -1),
        note="the axis after a list",
    ),
    Row(
        "stack",
        lambda a, b: Tensor.stack((a, b), 1),
        lambda a, b: np.stack((a, b), 1),
        PAIRS,
        torch=lambda torch, a, b: torch.stack((a, b), 1),
        note="the axis after a tuple",
    ),
    Row(
        "cat",
        lambda a, b: a.cat(b > 0.5),
        lambda a, b: np.concatenate((a, b > 0.5)),
        PAIRS,
        kinds="fi",
        note="mixed dtypes",
    ),
    Row(
        "stack",
        lambda a, b: a.stack(b, axis=-1),
        lambda a, b: np.stack((a, b), -1),
        [*PAIRS, ((), ())],
        kinds="fib",
    ),
    Row(
        "stack",
        lambda a, b: Tensor.stack([a, b, a]),
        lambda a, b: np.stack((a, b, a)),
        PAIRS,
        torch=lambda torch, a, b: torch.stack((a, b, a)),
        note="a list, one tensor twice",
    ),
    Row(
        "split",
        lambda x: x.split(2),
        lambda x: [x[:2], x[2:4], x[4:]],
        [((5, 2),), ((5,),)],
        kinds="fib",
    ),
    Row(
        "split",
        lambda x: x.split([1, 0, 2], axis=-1),
        lambda x: np.split(x, [1, 1], -1),
        [((2, 3),), ((3,),)],
        torch=lambda torch, x: x.split([1, 0, 2], -1),
        kinds="fib",
        note="sizes",
    ),
    Row(
        "split",
        lambda x: x.split(4, 1),
        lambda x: [x],
        [((2, 3),), ((2, 0),)],
        note="into one part",
    ),
    Row(
        "chunk",
        lambda x: x.chunk(4),
        lambda x: [x[:2], x[2:4], x[4:]] if x.size else [x] * 4,
        [((5, 2),), ((6,),), ((0, 2),)],
        kinds="fib",
    ),
    Row(
        "tensor_split",
        lambda x: x.tensor_split(3, 1),
        lambda x: np.array_split(x, 3, 1),
        [((2, 5),), ((1, 2),), ((1, 0),)],
        kinds="fib",
    ),
    Row(
        "tensor_split",
        lambda x: x.tensor_split([1, -1, 9]),
        lambda x: np.array_split(x, [1, -1, 9]),
        [((5,),)],
        note="positions",
    ),
    Row(
        "tensor_split",
        lambda x: x.tensor_split(Tensor([1, 4])),
        lambda x: np.array_split(x, [1, 4]),
        [((5,),)],
        torch=lambda torch, x: x.tensor_split(torch.tensor([1, 4])),
        note="positions in a tensor",
    ),
    function("unbind", lambda x: list(x), [((2, 3),), ((1,),)], kinds="fib"),
    Row(
        "unbind",
        lambda x: x.unbind(-1),
        lambda x: [x[:, :, 0], x[:, :, 1]],
        [((2, 3, 2),), ((0, 1, 2),)],
        note="the last axis",
    ),
    function(
        "meshgrid",
        lambda a, b: np.meshgrid(a, b, indexing="ij"),
        [((2,), (3,)), ((), (2,)), ((0,), (2,))],
        torch=lambda torch, a, b: torch.meshgrid(a, b, indexing="ij"),
        kinds="fib",
    ),
    Row(
        "meshgrid",
        lambda a, b, c: Tensor.meshgrid(a, b, c, indexing="xy"),
        lambda a, b, c: np.meshgrid(a, b, c, indexing="xy"),
        [((2,), (3,), (4,))],
        torch=lambda torch, a, b, c: torch.meshgrid(a, b, c, indexing="xy"),
        note="xy",
    ),
    Row(
        "meshgrid",
        lambda a: a.meshgrid(indexing="xy"),
        lambda a: np.meshgrid(a, indexing="xy"),
        [((2,),)],
        note="of one",
    ),
]

X = Tensor(np.zeros((2, 3)))

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor.cat([Tensor([1.0])], 0, axis=1),
        TypeError,
        "cat: axis is given twice, 0 and 1",
    ),
    Mistake(lambda: X.cat(X.T), ValueError, "cat: shapes (2, 3) and (3, 2) differ outside axis 0"),
    Mistake(
        lambda: X.cat(1.0),
        TypeError,
        "cat: expected tensors or arrays; got a number; make it a Tensor first",
    ),
    Mistake(
        lambda: Tensor.stack([X, X.T]),
        ValueError,
        "stack: expected tensors of one shape; got (2, 3), (3, 2)",
    ),
    Mistake(
        lambda: X.stack(X, axis=3),
        ValueError,
        "stack: axis 3 is out of range for 3 dimensions; use -3 to 2",
    ),
    Mistake(
        lambda: X.split([1, 1], axis=1),
        ValueError,
        "split: the sizes must add up to 3, the size of axis 1; got [1, 1]",
    ),
    Mistake(lambda: Tensor.cat([]), ValueError, "cat: expected at least one tensor; got none"),
    Mistake(lambda: X.split(1.5), TypeError, "split: sizes: expected an integer; got 1.5"),
    Mistake(
        lambda: Tensor.meshgrid(np.zeros(2)),
        TypeError,
        "meshgrid: expected at least one Tensor; got none",
    ),
    Mistake(
        lambda: X.split(0), ValueError, "split: sizes: expected an integer of 1 or more; got 0"
    ),
    Mistake(
        lambda: X.chunk(0), ValueError, "chunk: chunks: expected an integer of 1 or more; got 0"
    ),
    Mistake(
        lambda: X.tensor_split(0),
        ValueError,
        "tensor_split: parts: expected an integer of 1 or more; got 0",
    ),
    Mistake(
        lambda: Tensor(1.0).unbind(),
        ValueError,
        "unbind: axis 0 is out of range for 0 dimensions; there is no axis to name",
    ),
    Mistake(
        lambda: X.meshgrid(X),
        ValueError,
        "meshgrid: expected tensors of 0 or 1 dimensions; got (2, 3), (2, 3)",
    ),
    Mistake(
        lambda: X[0].meshgrid(X[0], indexing="yx"),
        ValueError,
        'meshgrid: indexing: expected "ij" or "xy"; got \'yx\'',
    ),
]
