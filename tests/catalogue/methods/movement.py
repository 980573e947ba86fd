"""Rows of the methods in tinygrad_lite/methods/movement.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

MATRIX = [((2, 3),)]

ROWS: list[Row] = [
    Row(
        "reshape",
        lambda x: x.reshape(3, -1),
        lambda x: x.reshape(3, -1),
        [((3, 4),), ((2, 1, 3),), ((3,),)],
        kinds="fib",
    ),
    Row(
        "reshape",
        lambda x: x.reshape(()),
        lambda x: x.reshape(()),
        [((1, 1),), ((),)],
        note="to no axes",
    ),
    Row(
        "view",
        lambda x: x.view((2, -1)),
        lambda x: x.reshape(2, -1),
        [((3, 4),), ((2,),)],
        kinds="fib",
    ),
    Row(
        "view",
        lambda x: x.T.view(3, 1, 2),
        lambda x: x.T.reshape(3, 1, 2),
        MATRIX,
        note="of a transpose, where the layout allows it",
    ),
    Row(
        "reshape_as",
        lambda x: x.reshape_as(Tensor.zeros(2, 6)),
        lambda x: x.reshape(2, 6),
        [((3, 4),), ((12,),)],
        torch=lambda torch, x: x.reshape_as(torch.zeros(2, 6)),
        kinds="fib",
    ),
    Row(
        "view_as",
        lambda x: x.view_as(Tensor.zeros(2, 6)),
        lambda x: x.reshape(2, 6),
        [((3, 4),), ((12,),)],
        torch=lambda torch, x: x.view_as(torch.zeros(2, 6)),
        kinds="fib",
    ),
    Row(
        "expand_as",
        lambda x: x.expand_as(np.zeros((2, 3, 4))),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        [((3, 4),), ((3, 1),), ((),)],
        torch=lambda torch, x: x.expand_as(torch.zeros(2, 3, 4)),
        kinds="fib",
    ),
    function("t", np.transpose, [((3, 4),), ((3,),), ((),), ((0, 2),)], kinds="fib"),
    *(
        Row(
            "tile",
            lambda x, reps=reps: x.tile(*reps),
            lambda x, reps=reps: np.tile(x, reps),
            [((2, 3),), ((1, 2),), ((0, 2),)],
            torch=lambda torch, x, reps=reps: x.tile(reps),
            kinds="fib",
            note=str(reps),
        )
        for reps in ((2,), (2, 3), (2, 1, 3), ())
    ),
    function("ravel", np.ravel, kinds="fib"),
    function("flatten", np.ravel, kinds="fib"),
    Row(
        "flatten",
        lambda x: x.flatten(1, -2),
        lambda x: x.reshape(2, 6, 2),
        [((2, 2, 3, 2),)],
        note="axes between",
    ),
    Row(
        "unflatten",
        lambda x: x.unflatten(-1, (2, -1)),
        lambda x: x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2),
        [((3, 4),), ((2,),)],
        kinds="fib",
    ),
    function("squeeze", np.squeeze, kinds="fib"),
    Row(
        "squeeze",
        lambda x: x.squeeze((0, -1)),
        lambda x: x.reshape(x.shape[1:] if x.shape[0] == 1 else x.shape),
        [((2, 1, 3),), ((1, 1, 3),)],
        note="named axes, of size 1 or not",
    ),
    Row("unsqueeze", lambda x: x.unsqueeze(-1), lambda x: x[..., None], kinds="fib"),
    Row(
        "transpose",
        lambda x: x.transpose(0, -1),
        lambda x: x.swapaxes(0, -1),
        [((2, 3, 4),), ((3,),)],
        kinds="fib",
    ),
    Row(
        "swapaxes",
        lambda x: x.swapaxes(0, -1),
        lambda x: x.swapaxes(0, -1),
        [((2, 3, 4),), ((3,),)],
        kinds="fib",
    ),
    Row(
        "permute",
        lambda x: x.permute(2, 0, -2),
        lambda x: x.transpose(2, 0, 1),
        [((2, 3, 4),), ((2, 0, 1),)],
        kinds="fib",
    ),
    Row(
        "moveaxis",
        lambda x: x.moveaxis((0, 1), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
        [((2, 3, 4),), ((2, 3),)],
        kinds="fib",
    ),
    Row(
        "movedim",
        lambda x: x.movedim(0, -1),
        lambda x: np.moveaxis(x, 0, -1),
        [((2, 3, 4),), ((3,),)],
        kinds="fib",
    ),
    Row(
        "expand",
        lambda x: x.expand(2, 3, -1),
        lambda x: np.broadcast_to(x, (2, 3, x.shape[-1])),
        [((3, 4),), ((1,),), ((1, 0),)],
        kinds="fib",
    ),
    Row(
        "repeat",
        lambda x: x.repeat(2, 1, 3),
        lambda x: np.tile(x, (2, 1, 3)),
        [((2, 3),), ((),), ((1, 2, 2),), ((0,),)],
        kinds="fib",
    ),
    Row(
        "repeat", lambda x: x.repeat((0, 2)), lambda x: np.tile(x, (0, 2)), MATRIX, note="not once"
    ),
    Row(
        "repeat_interleave",
        lambda x: x.repeat_interleave(3, -1),
        lambda x: np.repeat(x, 3, -1),
        [((2, 3),), ((2,),), ((2, 0),)],
        kinds="fib",
    ),
    Row(
        "repeat_interleave",
        lambda x: x.repeat_interleave(2),
        lambda x: np.repeat(x, 2),
        [((2, 3),), ((),)],
        note="flat",
    ),
    Row(
        "repeat_interleave",
        lambda x: x.repeat_interleave([2, 0, 1], 1),
        lambda x: np.repeat(x, [2, 0, 1], 1),
        MATRIX,
        kinds="fib",
        note="a number for each",
    ),
    Row(
        "flip",
        lambda x: x.flip(0, -1),
        lambda x: np.flip(x, (0, -1)),
        [((2, 3, 4),), ((0, 2),)],
        kinds="fib",
    ),
    Row("flip", lambda x: x.flip((1,)), np.fliplr, MATRIX, note="a tuple"),
    Row(
        "roll",
        lambda x: x.roll(4, -1),
        lambda x: np.roll(x, 4, -1),
        [((2, 3),), ((1,),), ((2, 0),)],
        kinds="fib",
    ),
    Row(
        "roll",
        lambda x: x.roll((1, -1, 1), (0, 1, 1)),
        lambda x: np.roll(x, (1, -1, 1), (0, 1, 1)),
        [((3, 4),)],
        note="several, one axis twice",
    ),
    Row("roll", lambda x: x.roll(-2), lambda x: np.roll(x, -2), [((2, 3),), ((),)], note="flat"),
]

X = Tensor(np.zeros((2, 3)))

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.reshape(-1, -1),
        ValueError,
        "reshape: (2, 3) holds 6 elements, which do not fill the shape (-1, -1); only one size "
        "may be -1",
    ),
    Mistake(
        lambda: X.permute(0),
        ValueError,
        "permute: axes: expected each of the 2 axes once; got (0,)",
    ),
    Mistake(lambda: X.expand(3), ValueError, "expand: (2, 3) does not broadcast to shape (3,)"),
    Mistake(
        lambda: X.reshape(4, -1),
        ValueError,
        "reshape: (2, 3) holds 6 elements, which do not fill the shape (4, -1)",
    ),
    Mistake(
        lambda: X.T.view(6),
        ValueError,
        "view: the memory layout of (3, 2) allows no view of shape (6,); use reshape",
    ),
    Mistake(
        lambda: X.unflatten(1, (2, 2)),
        ValueError,
        "unflatten: (3,) holds 3 elements, which do not fill the shape (2, 2)",
    ),
    Mistake(lambda: X.flatten(1, 0), ValueError, "flatten: start_axis 1 comes after end_axis 0"),
    Mistake(
        lambda: X.squeeze(2),
        ValueError,
        "squeeze: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(lambda: X.permute(0, 0), ValueError, "permute: axes (0, 0) names a dimension twice"),
    Mistake(
        lambda: X.moveaxis((0, 1), 0),
        ValueError,
        "moveaxis: expected as many axes in destination as in source; got source (0, 1) and "
        "destination (0,)",
    ),
    Mistake(
        lambda: X.expand(4, 3),
        ValueError,
        "expand: shapes (2, 3) and (4, 3) do not broadcast; "
        "from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: X.repeat(2),
        ValueError,
        "repeat: repeats: expected a number for each of the 2 axes; got (2,)",
    ),
    Mistake(
        lambda: X.repeat_interleave([1, 2], 1),
        ValueError,
        "repeat_interleave: repeats: expected one integer, or 3 of them; got [1, 2]",
    ),
    Mistake(
        lambda: X.repeat_interleave(-1),
        ValueError,
        "repeat_interleave: repeats: expected no negative number; got -1",
    ),
    Mistake(lambda: X.flip(0, 0), ValueError, "flip: axes (0, 0) names a dimension twice"),
    Mistake(lambda: X.flip(0.5), TypeError, "flip: axes: expected an integer; got 0.5"),
    Mistake(lambda: X.roll(0.5), TypeError, "roll: shifts: expected an integer; got 0.5"),
    Mistake(
        lambda: X.roll((1, 2), 0),
        ValueError,
        "roll: expected as many shifts as axes; got shifts (1, 2) for axis 0",
    ),
]
