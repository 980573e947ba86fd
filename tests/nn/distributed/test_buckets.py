"""Which arrays travel together, and what stands in a message."""

import numpy as np
import pytest

from nn.distributed.buckets import buckets_of

F2, F4, F8 = map(np.dtype, (np.float16, np.float32, np.float64))


def test_arrays_fill_buckets_in_their_order():
    forms = [((10,), F4), ((2, 5), F4), ((1,), F4), ((30,), F4), ((), F4)]
    found = [[m.position for m in bucket.members] for bucket in buckets_of(forms, 80)]
    assert found == [[0, 1], [2, 3], [4]]
    assert [[m.position for m in b.members] for b in buckets_of(forms, 1)] == [
        [n] for n in range(5)
    ]
    (whole,) = buckets_of(forms, 1 << 20)
    assert whole.length == 10 + 10 + 1 + 30 + 1 + 5


def test_each_dtype_has_buckets_of_its_own_and_float16_travels_as_float32():
    forms = [((3,), F8), ((4,), F2), ((5,), F4), ((6,), F8)]
    found = {b.dtype: [m.position for m in b.members] for b in buckets_of(forms, 1 << 20)}
    assert found == {F8: [0, 3], F4: [1, 2]}


def test_no_arrays_make_no_bucket():
    assert buckets_of([], 100) == []


@pytest.mark.parametrize("weight", [1.0, 0.75, 0.0])
def test_a_message_holds_the_arrays_times_the_weight_and_which_are_there(weight):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((3, 4)).T, None, rng.standard_normal(())]
    (bucket,) = buckets_of([((4, 3), F8), ((2,), F8), ((), F8)], 1 << 20)
    message = bucket.new()
    message[...] = np.nan
    bucket.pack(arrays, weight, message)
    there = float(weight > 0)
    expected = [*(arrays[0] * weight).ravel(), 0, 0, arrays[2] * weight, there, 0, there]
    np.testing.assert_array_equal(message, expected)
    found = dict(bucket.unpack(message))
    assert [*found] == ([0, 2] if weight else [])
    for position, array in found.items():
        np.testing.assert_array_equal(array, arrays[position] * weight)


def test_what_did_not_change_counts_in_a_mean_but_is_no_reason_for_one():
    (bucket,) = buckets_of([((2,), np.dtype("f4")), ((1,), np.dtype("f4"))], 100)
    old, new = np.array([4.0, 8.0], "f4"), np.array([2.0], "f4")
    messages = [bucket.new() for _ in range(2)]
    bucket.pack([old, new], 0.5, messages[0], {0, 1})
    bucket.pack([old + 2, new], 1.5, messages[1], {1})
    found = dict(bucket.unpack((messages[0] + messages[1]) / 2))
    assert [*found] == [0]
    assert found[0].tolist() == [5.5, 9.5]


def test_what_counts_nothing_may_be_nan():
    (bucket,) = buckets_of([((2,), F4)], 1)
    message = bucket.new()
    bucket.pack([np.full(2, np.nan, np.float32)], 0.0, message)
    assert message.tolist() == [0, 0, 0]


def test_a_weight_does_not_overflow_in_float16():
    (bucket,) = buckets_of([((1,), F2)], 1)
    message = bucket.new()
    bucket.pack([np.array([60000], np.float16)], 1.5, message)
    assert message.tolist() == [90000, 1]
