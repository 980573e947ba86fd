"""One training in 1, 2, 3 and 4 processes: close to one process, and with chunks the same bits."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mpi.launching import launch

PROGRAM = Path(__file__).with_name("gradients_program.py")
RANKS = [1, 2, 3, 4]

FREE = [
    {},
    {"batch_size": 5, "rows": 16, "optimizer": "sgd"},  # 5, 5, 5 and 1 rows: some have none
    {"every": 2},
    {"every": 0, "bucket_bytes": 8},
    {"zero": "model first", "captured": True, "epochs": 5},
    {"optimizer": "sgd", "captured": True, "epochs": 5, "bucket_bytes": 100},
]
CHUNKED = [
    {},
    {"optimizer": "sgd", "bucket_bytes": 40},
    {"rows": 19, "batch_size": 3},  # smaller than the number of chunks
    {"captured": True, "epochs": 6},
]
ZEROED = [f"{who} {when}" for who in ("optimizer", "model", "assign") for when in ("first", "last")]


def trained(ranks: int, *options: dict) -> list[dict]:
    """What rank 0 ends with, for each training."""
    run = launch(PROGRAM, ranks, json.dumps(options))
    assert (run.status, run.err, run.left) == (0, "", [])
    return [json.loads(line) for line in run.out.splitlines()]


@cache
def free(ranks: int) -> list[dict]:
    return trained(ranks, *FREE)


@cache
def chunked(ranks: int) -> list[dict]:
    float32 = {"chunks": 4, "dtype": "float32", "augment": True}
    nets = [{**float32, "model": "convnet", **each} for each in CHUNKED]
    zeroed = [{**float32, "zero": zero, "every": 2} for zero in ZEROED]
    whole = {"chunks": 5, "every": 0}
    return trained(ranks, *nets, *zeroed, whole)


@pytest.mark.parametrize("ranks", RANKS[1:])
@pytest.mark.parametrize("number", range(len(FREE)))
def test_the_free_order_is_one_process_up_to_rounding(number, ranks):
    expected, found = free(1)[number]["state"], free(ranks)[number]["state"]
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("ranks", RANKS[1:])
@pytest.mark.parametrize("number", range(len(CHUNKED) + len(ZEROED) + 1))
def test_with_chunks_the_bits_are_those_of_one_process(number, ranks):
    assert chunked(ranks)[number]["crc"] == chunked(1)[number]["crc"]


def test_an_evaluation_in_the_body_of_the_loop_changes_nothing():
    options = {"chunks": 4, "rows": 24}
    found = [*trained(1, options), *trained(2, options, {**options, "evaluates": True})]
    assert len({each["crc"] for each in found}) == 1


def test_captured_and_eager_steps_have_the_same_bits():
    eager = {"chunks": 4, "dtype": "float32", "model": "convnet", "epochs": 6}
    found = trained(3, eager, {**eager, "captured": True})
    assert found[0]["crc"] == found[1]["crc"]


def test_where_gradients_are_set_to_none_does_not_matter():
    """Accumulated over two batches: the same, whoever does it, at the usual places."""
    assert len({each["crc"] for each in chunked(2)[len(CHUNKED) : -1]}) == 1


def test_chunks_are_close_to_whole_batches():
    """The losses are means over rows, so without BatchNorm parts make no difference."""
    expected = trained(1, {}, {"rows": 19, "batch_size": 3})
    found = trained(2, *({**each, "chunks": 4} for each in ({}, {"rows": 19, "batch_size": 3})))
    for one, other in zip(expected, found, strict=True):
        for name, values in one["state"].items():
            np.testing.assert_allclose(other["state"][name], values, rtol=1e-9, atol=1e-13)
