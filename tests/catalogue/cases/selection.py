"""Rows of the primitives in tinygrad_lite/ops/selection.py."""

import numpy as np

from tinygrad_lite import Tensor
from tinygrad_lite.ops import selection

from .case import ONE, TWO, Case, function, off_whole

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])

CASES: list[Case] = [
    Case(
        selection.Mask,
        lambda a: selection.Mask.apply(a, mask=MASK),
        lambda a: a * MASK,
        [((3, 4),)],
    ),
    function(selection.Relu, lambda a: np.where(a > 0, a, 0)),
    function(selection.Maximum, np.maximum, TWO),
    function(selection.Minimum, np.minimum, TWO),
    Case(selection.Clip, lambda a: a.clip(-1.03, 0.57), lambda a: np.clip(a, -1.03, 0.57)),
    Case(selection.Clip, lambda a: a.clip(-1.03), lambda a: np.maximum(a, -1.03), note="below"),
    Case(
        selection.Clip,
        lambda x, low, high: x.clip(low, high),
        np.clip,
        [((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), ()), ((), (2, 1), (3,)), ((0,), (1,), ())],
        note="tensors as bounds",
    ),
    Case(
        selection.Clip,
        lambda x, low: x.clip(low, 1.1),
        lambda x, low: np.clip(x, low, 1.1),
        TWO,
        note="a tensor and a number",
    ),
    Case(
        selection.Where,
        lambda a, b: Tensor(MASK).where(a, b),
        lambda a, b: np.where(MASK, a, b),
        [((3, 4), (3, 4)), ((4,), (3, 1)), ((), (3, 4))],
    ),
    Case(selection.Step, lambda a: a.sign(), np.sign),
    Case(selection.Step, lambda a: a.floor(), np.floor, ONE, off_whole, note="floor"),
    function(selection.Abs, np.abs),
]
