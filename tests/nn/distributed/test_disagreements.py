"""Processes that do not do the same: what the line says that each of them has, and what to do."""

import struct
import zlib
from inspect import currentframe

import numpy as np
import pytest
from several import Disagreed, ranks

import nn
from nn._processes import Fact, current
from nn.data import DataLoader
from nn.distributed.endings import Doing, disagreement, line_of_program
from nn.distributed.sharding import parts, shard
from nn.training._leading import is_told
from tinygrad_lite import Tensor

X = np.arange(72, dtype=np.float32).reshape(24, 3)
DATA = "let all read the same data, and the whole of them: shard divides the rows"
ORDER = (
    "give all the same seed=, shuffle= and sampler=; without seed= the order follows from Tensor's "
    "generator, from which none may draw alone"
)
BATCH = (
    "let all have the same whole batch, by Tensor's generator or one of the same seed; parts "
    "divides it"
)
SAME_SUMS = "the sums are equal, so look for the same values in another order"


def said(work):
    """What ends two processes of which the second one calls `work(True)`."""

    def tried():
        try:
            work(current().rank == 1)
        except Disagreed as error:
            return str(error)

    first, second = (each.result for each in ranks(2, tried))
    assert first == second
    return first


def crc(order):
    return zlib.crc32(struct.pack(f"{len(order)}q", *order))


def begun(*arrays, draws=0, **options):
    """The first batch of an epoch."""
    Tensor.manual_seed(1)
    for _ in range(draws):
        Tensor.rand(1)
    iterator = iter(shard(DataLoader(*arrays, **{"batch_size": 8, "seed": 0} | options)))
    next(iterator)
    iterator.close()


@pytest.mark.parametrize(
    ("usual", "other", "line"),
    [
        (
            lambda: begun(X),
            lambda: begun(X[:16]),
            f"24 rows in an epoch, rank 1 on here has 16 rows in an epoch: * {DATA}",
        ),
        (
            lambda: begun(X[::2]),  # of a program that divided them by hand
            lambda: begun(X[1::2]),
            "the first rows of array 0 with the sum 528, rank 1 on here has the first rows "
            f"of array 0 with the sum 600: * {DATA}",
        ),
        (
            lambda: begun(X, np.arange(24)),
            lambda: begun(X, np.arange(24) + 1),
            "the first rows of array 1 with the sum 28, rank 1 on here has the first rows of array "
            f"1 with the sum 36: * {DATA}",
        ),
        (
            lambda: begun(X, np.arange(24)),
            lambda: begun(X, np.arange(24) ^ 1),  # labels of the same counts
            "the first rows of array 1 in another order, with the checksum "
            f"{crc(range(8))}, rank 1 on here has the first rows of array 1 in another order, with "
            f"the checksum {crc([1, 0, 3, 2, 5, 4, 7, 6])}: * {DATA}; {SAME_SUMS}",
        ),
        (
            lambda: begun(np.full((24, 3), 60_000, np.float16)),
            lambda: begun(np.full((24, 3), 30_000, np.float16)),
            "the first rows of array 0 with the sum 1440000, rank 1 on here has the first rows "
            f"of array 0 with the sum 720000: * {DATA}",
        ),
        (
            lambda: begun(X),
            lambda: begun(X.astype(np.float64)),
            "the first rows of array 0 as float32 (8, 3), rank 1 on here has the first rows of "
            f"array 0 as float64 (8, 3): * {DATA}",
        ),
        (
            lambda: begun(X),
            lambda: begun(X, batch_size=4),
            "3 batches of 8 rows, rank 1 on here has 6 batches of 4 rows: * give all the same "
            "batch_size= and drop_last=",
        ),
        (
            lambda: begun(X[:20]),
            lambda: begun(X[:20], drop_last=True),
            "3 batches of 8 or 4 rows, rank 1 on here has 2 batches of 8 rows: * give all the same "
            "batch_size= and drop_last=",
        ),
        (
            lambda: begun(X, shuffle=False),
            lambda: begun(X, shuffle=False, sampler=range(23, -1, -1)),
            "an order of the rows that begins with 0, 1, 2, 3, 4, 5, 6, 7, rank 1 on here has an "
            f"order of the rows that begins with 23, 22, 21, 20, 19, 18, 17, 16: * {ORDER}",
        ),
        (
            lambda: begun(X, shuffle=False, sampler=[*range(24)]),
            lambda: begun(X, shuffle=False, sampler=[*range(22), 23, 22]),
            f"another order, with the checksum {crc(range(24))}, rank 1 on here has another order, "
            f"with the checksum {crc([*range(22), 23, 22])}: * {ORDER}",
        ),
    ],
)
def test_epochs(usual, other, line):
    found = said(lambda is_other: (other if is_other else usual)())
    line = line.replace("*", "expected the same of all;")
    start = "at the beginning of epoch 1 of a DataLoader, rank 0 of 2 on here has "
    assert found == start + line


def test_without_a_seed_a_draw_of_one_process_alone_is_what_differs():
    found = said(lambda is_other: begun(X, seed=None, shuffle=True, draws=is_other))
    assert "rank 1 on here has an order of the rows that begins with" in found
    assert found.endswith(ORDER)
    found = said(lambda is_other: begun(X, seed=None, draws=is_other))
    assert "rank 1 on here has draws that follow from" in found


def test_positions_in_an_epoch():
    def work(is_other):
        loader = shard(DataLoader(X, batch_size=8, seed=0))
        if is_other:
            whole = DataLoader(X, batch_size=8, seed=0)
            next(iter(whole))
            loader.load_state_dict(whole.state_dict())
        next(iter(loader))

    found = said(work)
    assert "rank 0 of 2 on here has 0 batches behind it, rank 1 on here has 1 batches" in found
    assert found.endswith("let all load the same state")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda x: x[:4],
            "array 0 as float32 (8, 3), rank 1 on here has array 0 as float32 (4, 3): * " + BATCH,
        ),
        (
            lambda x: x.astype(np.float64),
            "array 0 as float32 (8, 3), rank 1 on here has array 0 as float64 (8, 3): * " + BATCH,
        ),
        (
            lambda x: x + 1,
            "array 0 with the sum 276, rank 1 on here has array 0 with the sum 300: * " + BATCH,
        ),
    ],
)
def test_batches_of_parts(change, line):
    """The fourth is compared, the third not."""

    def work(is_other):
        Tensor.manual_seed(1)
        for step in range(4):
            list(parts(change(X[:8]) if is_other and step == 3 else X[:8]))

    start = "at batch 4 of nn.distributed.parts, rank 0 of 2 on here has "
    assert said(work) == start + line.replace("*", "expected the same of all;")


def test_a_draw_of_one_process_alone_before_parts():
    def work(is_other):
        Tensor.manual_seed(1)
        if is_other:
            Tensor.rand(1)
        list(parts(Tensor.rand(8)))

    found = said(work)
    assert "rank 1 on here has draws that follow from" in found
    assert found.endswith("draw from Tensor's generator equally often, or from one of their own")


def test_models_of_another_number_of_layers():
    def work():
        layers = [nn.Linear(3, 3) for _ in range(1 + current().rank)]
        sgd = nn.optim.SGD(nn.Sequential(*layers).parameters(), lr=0.1)
        try:
            nn.distributed.DistributedOptimizer(sgd)
        except (ValueError, Disagreed) as error:
            return str(error)

    assert ranks(2, work)[1].result == (
        "DistributedOptimizer: rank 1 has 4 parameters and buffers, and rank 0 2 parameters and "
        "buffers; expected the same model and optimiser in all processes"
    )


def test_chunks_that_are_too_few_in_one_process_alone():
    def work(*chunks):
        sgd = nn.optim.SGD(nn.Linear(3, 3).parameters(), lr=0.1)
        try:
            nn.distributed.DistributedOptimizer(sgd, chunks=chunks[current().rank])
        except (ValueError, Disagreed) as error:
            return str(error), is_told(error)

    assert ranks(2, lambda: work(2, 1))[0].result == (
        "at DistributedOptimizer, rank 0 of 2 on here has chunks=2, rank 1 on here has chunks=1: "
        "expected the same of all; give all the same chunks=",
        False,
    )
    in_all = [each.result for each in ranks(2, lambda: work(1, 1))]
    assert [told for _, told in in_all] == [False, True]
    assert "chunks: expected 2 or more" in in_all[0][0]


def test_the_line_of_the_program_is_shown():
    doing = [Doing("a step", 0, (), " (train.py:7)"), Doing("the end", 0, (), "")]
    assert disagreement(["a", "a"], doing).startswith(
        "rank 0 of 2 on a is at a step (train.py:7), rank 1 on a is at the end: expected the same "
        "of all; look for a break, continue, return or `if` that one process takes alone; "
    )
    assert line_of_program() == f" (test_disagreements.py:{currentframe().f_lineno})"


def test_the_first_fact_that_differs_is_shown():
    doing = [
        Doing("here", rank, [Fact("8 rows"), Fact(f"{rank} more", "fix it")]) for rank in (1, 2)
    ]
    line = "at here, rank 0 of 2 on a has 1 more, rank 1 on a has 2 more: expected the same of all"
    assert disagreement(["a", "a"], doing) == f"{line}; fix it"
