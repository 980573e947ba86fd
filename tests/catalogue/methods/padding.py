"""Rows of the methods in tinygrad_lite/methods/padding.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}

ROWS: list[Row] = [
    Row(
        "pad",
        lambda x: x.pad((1, 2)),
        lambda x: np.pad(x, ((0, 0),) * (x.ndim - 1) + ((1, 2),)),
        [((2, 3),), ((0,),), ((2,),)],
        kinds="fib",
    ),
    Row(
        "pad",
        lambda x: x.pad((1, 0, 2, 1), value=0.5),
        lambda x: np.pad(x, ((2, 1), (1, 0)), constant_values=0.5),
        [((2, 3),)],
        note="two axes, the last one first",
    ),
    Row(
        "pad",
        lambda x: x.pad(((2, 1), None), value=-2.0),
        lambda x: np.pad(x, ((2, 1), (0, 0)), constant_values=-2.0),
        [((2, 3),)],
        torch=lambda torch, x: torch.nn.functional.pad(x, (0, 0, 2, 1), value=-2.0),
        note="a pair for each axis",
    ),
    Row(
        "pad",
        lambda x: x.pad((-1, 2, 1, -1)),
        lambda x: np.pad(x[:-1, 1:], ((1, 0), (0, 2))),
        [((2, 3),)],
        kinds="fib",
        note="negative",
    ),
    Row("pad", lambda x: x.pad(()), lambda x: x, [((),), ((2,),)], note="by nothing"),
    *(
        Row(
            "pad",
            lambda x, mode=mode: x.pad((1, 2, 2, 0), mode=mode),
            lambda x, mode=mode: np.pad(x, ((0, 0), (0, 0), (2, 0), (1, 2)), mode=MODES[mode]),
            [((1, 2, 3, 4),)],
            note=mode,
        )
        for mode in MODES
    ),
    *(
        Row(
            "pad",
            lambda x, mode=mode: x.pad((-1, 2), mode=mode),
            lambda x, mode=mode: np.pad(x[..., 1:], ((0, 0), (0, 2)), mode=MODES[mode]),
            [((2, 4),)],
            note=f"{mode}, negative",
        )
        for mode in MODES
    ),
    *(
        Row(
            "pad",
            lambda x, mode=mode: x.pad((7, 5), mode=mode),
            lambda x, mode=mode: np.pad(x, (7, 5), mode=MODES[mode]),
            [((3,),), ((1,),)],
            torch=None,
            kinds="fib",
            note=f"{mode} several times round, which PyTorch refuses",
        )
        for mode in MODES
    ),
    *(
        Row(
            "pad",
            lambda x, mode=mode, before=before, after=after: x.pad((before, after), mode=mode),
            lambda x, mode=mode, before=before, after=after: np.pad(
                x, ((0, 0), (0, 0), (max(before, 0), max(after, 0))), mode=MODES[mode]
            )[..., max(-before, 0) : x.shape[-1] + max(before, 0) + after],
            [((1, 2, 5),)],
            note=f"{mode}, which copies elements that are removed: {before}, {after}",
        )
        for mode in ("reflect", "replicate")
        for before, after in ((4, -3), (-3, 4), (3, -5), (-5, 2), (-6, 2))
        if mode == "replicate" or (before, after) != (-6, 2)
    ),
    Row(
        "pad",
        lambda x: x.pad((3, -2, -1, 1), mode="reflect"),
        lambda x: np.pad(x, ((0, 0), (0, 0), (0, 1), (3, 0)), mode="reflect")[:, :, 1:, :-2],
        [((1, 2, 3, 4),)],
        note="reflect, negative along two axes",
    ),
    *(
        Row(
            "pad",
            lambda x, before=before, after=after: x.pad((before, after), mode="circular"),
            lambda x, before=before, after=after: np.pad(
                x[..., max(-before, 0) : x.shape[-1] + min(after, 0)],
                ((0, 0), (0, 0), (max(before, 0), max(after, 0))),
                mode="wrap",
            ),
            [((1, 2, 5),)],
            note=f"circular, which repeats the elements that are kept: {before}, {after}",
        )
        for before, after in ((2, -2), (-2, 3), (-3, -1))
    ),
    Row(
        "shrink",
        lambda x: x.shrink(((1, 2), None)),
        lambda x: x[1:2],
        [((3, 4),), ((2, 0),)],
        torch=lambda torch, x: x[1:2],
        kinds="fib",
    ),
    Row(
        "shrink",
        lambda x: x.shrink(((1, 1), (0, 3))),
        lambda x: x[1:1, 0:3],
        [((3, 4),)],
        torch=lambda torch, x: x[1:1, 0:3],
        note="to nothing",
    ),
    Row(
        "unfold",
        lambda x: x.unfold(0, 3, 1),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 0),
        [((5,),), ((3, 2),), ((4, 0),)],
        kinds="fib",
        note="overlapping",
    ),
    Row(
        "unfold",
        lambda x: x.unfold(0, 0, 2),
        lambda x: np.zeros((2, 0)),
        [((3,),)],
        note="of nothing",
    ),
    Row(
        "unfold",
        lambda x: x.unfold(-2, 2, 3).unfold(-2, 2, 1),
        lambda x: np.stack([x[:2], x[3:5]])[:, :, [[0, 1], [1, 2]]].transpose(0, 2, 1, 3),
        [((5, 3),)],
        note="along two axes, with gaps",
    ),
]

X = Tensor(np.zeros((2, 3)))

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.pad((1, 2, 3)),
        ValueError,
        "pad: padding: expected pairs (before, after) for at most 2 axes, from the last on; got "
        "(1, 2, 3)",
    ),
    Mistake(
        lambda: X.pad(((1, 2),)),
        ValueError,
        "pad: padding: expected a pair of integers or None for each of 2 axes; got ((1, 2),)",
    ),
    Mistake(
        lambda: X.pad((1.5, 2)),
        ValueError,
        "pad: padding: expected a pair of integers or None for each of 2 axes; got (1.5, 2)",
    ),
    Mistake(
        lambda: X.pad((1, 1), mode="edge"),
        ValueError,
        'pad: mode: expected "constant", "reflect", "replicate" or "circular"; got \'edge\'',
    ),
    Mistake(
        lambda: X[:, :0].pad((1, 1), mode="circular"),
        ValueError,
        "pad: axis 1 has no elements to repeat in mode circular",
    ),
    Mistake(
        lambda: X.pad((-4, 0), mode="replicate"),
        ValueError,
        "pad: axis 1 has size 3; padding (-4, 0) removes more",
    ),
    Mistake(
        lambda: X.pad((-3, 1), mode="circular"),
        ValueError,
        "pad: axis 1 has no elements to repeat in mode circular",
    ),
    Mistake(
        lambda: X.pad((-2, -2)),
        ValueError,
        "pad: axis 1 has size 3; padding (-2, -2) removes more",
    ),
    Mistake(
        lambda: X.pad((1, 1), value=Tensor(1.0)),
        TypeError,
        "pad: value: expected a number; got Tensor of shape (), float32; no gradient flows "
        "there: take its item()",
    ),
    Mistake(
        lambda: X.cast(int).pad((1, 1), value=np.nan),
        ValueError,
        "pad: value: nan does not fit into int64, which holds integers",
    ),
    Mistake(
        lambda: X.shrink(((0, 1),)),
        ValueError,
        "shrink: bounds: expected a pair of integers or None for each of 2 axes; got ((0, 1),)",
    ),
    Mistake(
        lambda: X.shrink(((0, 1), (2, 4))),
        ValueError,
        "shrink: axis 1 has size 3; bounds (2, 4) are no part of it",
    ),
    Mistake(
        lambda: X.unfold(1, 4, 1),
        ValueError,
        "unfold: expected windows of 0 to 3 elements, and a step of 1 or more; got size 4, step 1",
    ),
]
