"""Rows of the primitives in tinygrad_lite/ops/selection.py."""

import numpy as np

from tinygrad_lite import Tensor
from tinygrad_lite.ops import selection

from .case import ONE, TWO, Case, off_whole

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])

CASES: list[Case] = [
    Case(
        selection.Mask,
        lambda a: selection.Mask.apply(a, mask=MASK),
        lambda a: a * MASK,
        [((3, 4),)],
    ),
    Case(selection.Relu, lambda a: a.relu(), lambda a: np.where(a > 0, a, 0), ONE),
    Case(selection.Maximum, lambda a, b: a.maximum(b), np.maximum, TWO),
    Case(selection.Minimum, lambda a, b: a.minimum(b), np.minimum, TWO),
    Case(selection.Clip, lambda a: a.clip(-1.03, 0.57), lambda a: np.clip(a, -1.03, 0.57), ONE),
    Case(
        selection.Clip, lambda a: a.clip(-1.03), lambda a: np.maximum(a, -1.03), ONE, note="below"
    ),
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
    Case(selection.Step, lambda a: a.sign(), np.sign, ONE),
    Case(selection.Step, lambda a: a.floor(), np.floor, ONE, off_whole, note="floor"),
    Case(selection.Abs, lambda a: a.abs(), np.abs, ONE),
]
