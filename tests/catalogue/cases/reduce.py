"""Rows of the primitives in tinygrad_lite/ops/reduce.py."""

import numpy as np

from tinygrad_lite.ops import reduce

from .case import ONE, Case, away_from_zero, distinct, function

CASES: list[Case] = [
    function(reduce.Mean, np.mean, [variant for variant in ONE if 0 not in variant[0]]),
    Case(
        reduce.Mean,
        lambda a: a.mean((0, -1), keepdim=True),
        lambda a: a.mean((0, -1), keepdims=True),
        [((3, 4),), ((2, 3, 4),), ((1, 1),)],
        note="two axes, kept",
    ),
    function(reduce.Sum, np.sum),
    Case(
        reduce.Sum,
        lambda a: a.sum((0, -1), keepdim=True),
        lambda a: a.sum((0, -1), keepdims=True),
        [((3, 4),), ((2, 3, 4),), ((2, 0, 3),)],
        note="two axes",
    ),
    Case(
        reduce.Sum,
        lambda a: a.sum(1),
        lambda a: a.sum(1),
        [((3, 4),), ((3, 0),), ((3, 1),)],
        note="one axis",
    ),
    *(
        row
        for op, name in ((reduce.Max, "max"), (reduce.Min, "min"))
        for row in (
            Case(
                op,
                lambda a, name=name: getattr(a, name)(),
                lambda a, name=name: getattr(np, name)(a),
                [((3, 4),), ((),), ((1,),)],
                distinct,
            ),
            Case(
                op,
                lambda a, name=name: getattr(a, name)((0, 2), keepdim=True),
                lambda a, name=name: getattr(np, name)(a, (0, 2), keepdims=True),
                [((2, 3, 4),), ((2, 0, 3),)],
                distinct,
                note="two axes",
            ),
            Case(
                op,
                lambda a, name=name: getattr(a, name)(-1),
                lambda a, name=name: getattr(np, name)(a, -1),
                [((3, 4),), ((0, 2),)],
                distinct,
                note="last axis",
            ),
        )
    ),
    function(reduce.Prod, np.prod, [*ONE, ((7,),), ((2, 5),)]),
    Case(
        reduce.Prod,
        lambda a: a.prod((0, 2), keepdim=True),
        lambda a: a.prod((0, 2), keepdims=True),
        [((2, 3, 4),), ((3, 2, 1),), ((2, 0, 3),), ((0, 2, 3),)],
        note="two axes",
    ),
    Case(
        reduce.Prod,
        lambda a: a.prod(1),
        lambda a: a.prod(1),
        [((3, 5),)],
        lambda rng, shape: np.where(rng.random(shape) < 0.4, 0.0, away_from_zero(rng, shape)),
        note="zeros",
    ),
    Case(
        reduce.Centre, lambda a: a.var(), lambda a: a.var(ddof=1), [((3, 4),), ((2,),)], note="all"
    ),
    Case(
        reduce.Centre,
        lambda a: reduce.Centre.apply(a, axes=(0, 2)),
        lambda a: a - a.mean((0, 2), keepdims=True),
        [((2, 3, 4),), ((1, 3, 1),), ((2, 0, 3),)],
        note="two axes",
    ),
    Case(
        reduce.Centre,
        lambda a: reduce.Centre.apply(a, axes=()),
        lambda a: a - a,
        [((),), ((3,),)],
        note="no axis",
    ),
    *(
        Case(
            reduce.Norm,
            lambda a, p=p: a.norm(p),
            lambda a, p=p: (np.abs(a) ** p).sum() ** (1 / p),
            [((3, 4),), ((),), ((1,),), *([((0,),)] if p > 0 else [])],
            note=f"p = {p}",
        )
        for p in (2, 3, 1.5, 0.5, -1)
    ),
    *(
        Case(
            reduce.Norm,
            lambda a, p=p: a.norm(p, (0, 2), keepdim=True),
            lambda a, p=p: (np.abs(a) ** p).sum((0, 2), keepdims=True) ** (1 / p),
            [((2, 3, 2),), ((2, 0, 3),)],
            note=f"p = {p}, two axes",
        )
        for p in (2, 3)
    ),
    Case(
        reduce.Norm,
        lambda a: (a * 1e-160).norm(axis=1),
        lambda a: 1e-160 * np.sqrt((a * a).sum(1)),
        [((2, 3),)],
        note="squares that vanish",
    ),
]
