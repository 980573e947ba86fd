"""Random tensors: their distribution, bounds and dtype; the seed; NumPy's own state.

Statistics of n numbers are compared within five of their own standard deviations; the seed is
fixed, so a test that passes always passes.
"""

import copy
import itertools
import json
import math
import threading

import numpy as np
import pytest

from tinygrad_lite import Tensor, checkpoint, generator

COUNT = 40_000
DTYPES = [np.float16, np.float32, np.float64]
FLOATS = {
    "rand": lambda *shape, **options: Tensor.rand(*shape, **options),
    "uniform": lambda *shape, **options: Tensor.uniform(*shape, low=-2.0, high=5.0, **options),
    "scaled_uniform": lambda *shape, **options: Tensor.scaled_uniform(*shape, **options),
    "glorot_uniform": lambda *shape, **options: Tensor.glorot_uniform(*shape, **options),
    "kaiming_uniform": lambda *shape, **options: Tensor.kaiming_uniform(*shape, **options),
    "randn": lambda *shape, **options: Tensor.randn(*shape, **options),
    "normal": lambda *shape, **options: Tensor.normal(*shape, mean=3.0, std=0.5, **options),
    "kaiming_normal": lambda *shape, **options: Tensor.kaiming_normal(*shape, **options),
    "rand_like": lambda *shape, **options: Tensor.zeros(*shape).rand_like(**options),
    "randn_like": lambda *shape, **options: Tensor.zeros(*shape).randn_like(**options),
}
INTEGERS = {
    "randint": lambda: Tensor.randint(4, 5, low=-3, high=4),
    "randperm": lambda: Tensor.randperm(20),
    "multinomial": lambda: Tensor([1.0, 2.0, 3.0]).multinomial(2),
    "bernoulli": lambda: Tensor.full(20, 0.5).bernoulli(),
}


@pytest.fixture(autouse=True)
def seeded():
    Tensor.manual_seed(1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FLOATS)
def test_shape_dtype_and_leaf(name, dtype) -> None:
    plain = FLOATS[name](2, 3)
    assert (plain.shape, plain.dtype, plain.requires_grad) == ((2, 3), np.float32, False)
    leaf = FLOATS[name]((2, 3), dtype=dtype, requires_grad=True)
    assert (leaf.shape, leaf.dtype, leaf.requires_grad) == ((2, 3), dtype, True)
    assert leaf.is_leaf
    assert leaf.data.flags.writeable
    (leaf * 2.0).sum().backward()
    assert leaf.grad.dtype == dtype


@pytest.mark.parametrize("name", ["rand", "uniform", "scaled_uniform", "randn", "normal"])
def test_no_axis_and_no_element(name) -> None:
    for dtype in DTYPES:
        assert FLOATS[name](dtype=dtype).shape == ()
        assert FLOATS[name](dtype=dtype).dtype == dtype
        assert FLOATS[name](0, 3, dtype=dtype).shape == (0, 3)


@pytest.mark.parametrize("name", [*FLOATS, *INTEGERS])
def test_the_seed_decides_and_numpys_state_does_not(name) -> None:
    def make() -> Tensor:
        return INTEGERS[name]() if name in INTEGERS else FLOATS[name](4, 5)

    state = np.random.get_state()  # noqa: NPY002
    Tensor.manual_seed(5)
    first = make().data
    for before, after in zip(state, np.random.get_state(), strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(before, after)
    np.random.seed(0)  # noqa: NPY002  # which changes nothing here
    Tensor.manual_seed(5)
    np.testing.assert_array_equal(make().data, first)
    np.random.set_state(state)  # noqa: NPY002


def uniform_moments(low, high):
    """Mean, variance and fourth central moment of a uniform distribution."""
    width = high - low
    return (low + high) / 2, width**2 / 12, width**4 / 80


def normal_moments(mean, std):
    return mean, std**2, 3 * std**4


SIZES = (200, 200)
BOUNDS = {
    "rand": (0.0, 1.0),
    "uniform": (-2.0, 5.0),
    "scaled_uniform": (-1 / 200, 1 / 200),
    "glorot_uniform": (-math.sqrt(6 / 400), math.sqrt(6 / 400)),
    "kaiming_uniform": (-math.sqrt(6 / 200.02), math.sqrt(6 / 200.02)),
    "rand_like": (0.0, 1.0),
}
SPREADS = {
    "randn": (0.0, 1.0),
    "normal": (3.0, 0.5),
    "kaiming_normal": (0.0, math.sqrt(2 / 200.02)),
    "randn_like": (0.0, 1.0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*BOUNDS, *SPREADS])
def test_distribution(name, dtype) -> None:
    values = FLOATS[name](SIZES, dtype=dtype).data.astype(np.float64)
    if name in BOUNDS:
        low, high = BOUNDS[name]
        margin = (high - low) * 1e-3
        assert dtype(low) <= values.min() < low + margin
        assert high - margin < values.max()
        # A bound may round to the dtype's next number.
        assert values.max() < high or values.max() < dtype(high)
        mean, variance, fourth = uniform_moments(low, high)
    else:
        mean, variance, fourth = normal_moments(*SPREADS[name])
    assert abs(values.mean() - mean) < 5 * math.sqrt(variance / COUNT)
    noise = math.sqrt((fourth - variance**2) / COUNT)
    assert abs(((values - mean) ** 2).mean() - variance) < 5 * noise
    neighbours = ((values[:, 1:] - mean) * (values[:, :-1] - mean)).mean()  # independent
    assert abs(neighbours) < 5 * variance / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_upper_bound_is_never_reached(dtype) -> None:
    assert Tensor.rand(100_000, dtype=dtype).data.max() < 1  # float16 rounds 0.9998 up to 1
    assert Tensor.uniform(100_000, low=100.0, high=101.0, dtype=dtype).data.max() < 101
    assert Tensor.uniform(3, low=2.0, high=2.0, dtype=dtype).tolist() == [2.0, 2.0, 2.0]


def test_fans_of_kernels() -> None:
    """out is the first size, in the product of the others."""
    kernel = (8, 4, 3, 3)
    for make, bound in (
        (Tensor.glorot_uniform, math.sqrt(6 / (8 + 36))),
        (lambda *shape: Tensor.kaiming_uniform(*shape, a=0.0), math.sqrt(6 / 36)),
        (lambda *shape: Tensor.kaiming_uniform(*shape, a=2.0), math.sqrt(6 / (5 * 36))),
        (Tensor.scaled_uniform, (8 * 36) ** -0.5),
    ):
        assert 0.97 * bound < np.abs(make(*kernel).data).max() <= bound
    assert np.abs(Tensor.kaiming_uniform(1000).data).max() <= math.sqrt(6 / 1.0001)  # in is 1
    spread = Tensor.kaiming_normal(*kernel, a=0.0).data.std()
    assert abs(spread - math.sqrt(2 / 36)) < 5 * math.sqrt(2 / 36 / 2 / 288)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8])
def test_randint_is_uniform_over_its_integers(dtype) -> None:
    low, high = (0, 7) if dtype is np.uint8 else (-3, 4)
    values = Tensor.randint(COUNT, low=low, high=high, dtype=dtype)
    assert values.dtype == dtype
    counts = np.bincount(values.data.astype(np.int64) - low, minlength=7)
    assert counts.size == 7
    # Chi-square with 6 degrees of freedom: mean 6, variance 12.
    assert ((counts - COUNT / 7) ** 2 / (COUNT / 7)).sum() < 6 + 5 * math.sqrt(12)


def test_randint_defaults_and_limits() -> None:
    assert Tensor.randint(2, 3).dtype == np.int64
    assert set(Tensor.randint(1000).tolist()) == set(range(10))
    assert set(Tensor.randint(5000, low=-128, high=128, dtype=np.int8).tolist()) == set(
        range(-128, 128)
    )
    assert Tensor.randint(low=5, high=6).item() == 5
    assert Tensor.randint((2, 0)).shape == (2, 0)


def test_randperm_is_a_uniform_permutation() -> None:
    assert Tensor.randperm(0).tolist() == []
    assert Tensor.randperm(5, dtype=np.uint8).dtype == np.uint8
    drawn = [tuple(Tensor.randperm(3).tolist()) for _ in range(6000)]
    counts = [drawn.count(order) for order in sorted(set(drawn))]
    assert len(counts) == 6
    assert sum((number - 1000) ** 2 / 1000 for number in counts) < 5 + 5 * math.sqrt(10)
    assert sorted(Tensor.randperm(1000).tolist()) == list(range(1000))


def test_bernoulli() -> None:
    p = Tensor(np.repeat([0.0, 0.3, 1.0], COUNT), requires_grad=True)
    drawn = p.bernoulli()
    assert drawn.dtype == np.float64
    assert not drawn.requires_grad
    zeros, some, ones = drawn.data.reshape(3, COUNT)
    assert zeros.max() == 0
    assert ones.min() == 1
    assert set(some) == {0.0, 1.0}
    assert abs(some.mean() - 0.3) < 5 * math.sqrt(0.21 / COUNT)
    assert Tensor(0.5).bernoulli().shape == ()


WEIGHTS = np.array([[0.0, 1.0, 3.0, 0.0], [5.0, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 1e-30]])


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_draws_in_proportion(replacement) -> None:
    """One sample of many equal rows, and with replacement many samples of each row."""
    expected = WEIGHTS / WEIGHTS.sum(1, keepdims=True)
    if replacement:
        drawn = Tensor(WEIGHTS).multinomial(COUNT, replacement=True)
    else:
        many = Tensor(np.repeat(WEIGHTS, COUNT, axis=0)).multinomial()
        drawn = Tensor(many.data.reshape(3, COUNT))
    assert drawn.dtype == np.int64
    assert drawn.shape == (3, COUNT)
    for row, p in zip(drawn.data, expected, strict=True):
        share = np.bincount(row, minlength=4) / COUNT
        np.testing.assert_array_less(np.abs(share - p), 5 * np.sqrt(p * (1 - p) / COUNT) + 1e-12)
        assert not share[p == 0].any()


def test_multinomial_without_replacement_draws_nothing_twice() -> None:
    """Of weights 1, 2, 3: the pair (i, j) has probability w_i / 6 times w_j / (6 - w_i)."""
    weights = np.array([1.0, 2.0, 3.0])
    drawn = Tensor(np.tile(weights, (COUNT, 1))).multinomial(2).data
    for i in range(3):
        for j in range(3):
            p = 0 if i == j else weights[i] / 6 * weights[j] / (6 - weights[i])
            share = ((drawn[:, 0] == i) & (drawn[:, 1] == j)).mean()
            assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / COUNT)
    assert sorted(Tensor(weights).multinomial(3).tolist()) == [0, 1, 2]


def test_multinomial_shapes_dtypes_and_extremes() -> None:
    assert Tensor([1, 2]).multinomial(3, replacement=True).shape == (3,)
    assert Tensor.zeros(0, 3).multinomial(2).shape == (0, 2)
    assert Tensor.ones(2, 3, dtype=np.float16).multinomial(2).dtype == np.int64
    huge = Tensor(np.array([1e308, 1e308, 0.0]))
    assert set(huge.multinomial(200, replacement=True).tolist()) == {0, 1}
    tiny = Tensor(np.array([0.0, 1e-320, 1.0]))
    assert tiny.multinomial(2).tolist() == [2, 1]


def test_multinomial_of_the_largest_number_below_1(monkeypatch) -> None:
    """In the second row it is 1 + (1 - 2^-53), which rounds to 2."""

    class Largest:
        def random(self, shape):
            return np.full(shape, np.nextafter(1.0, 0.0))

    monkeypatch.setattr("tinygrad_lite.arrays.generator.current", Largest)
    drawn = Tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]).multinomial(replacement=True)
    assert drawn.tolist() == [[1], [1]]


def test_other_threads_draw_from_the_same_numbers() -> None:
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(Tensor.rand().item()))
    thread.start()
    thread.join()
    then = Tensor.rand().item()
    Tensor.manual_seed(1)
    assert [Tensor.rand().item(), Tensor.rand().item()] == [found[0], then]


# Where the generator stands: `tinygrad_lite.generator`.

KINDS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]


def new(kind: str, seed: int) -> np.random.Generator:
    return np.random.Generator(getattr(np.random, kind)(seed))


def test_seeded_draws_apart_and_changes_nothing_outside() -> None:
    plain = [Tensor.rand(3).tolist() for _ in range(2)]
    expected = np.random.default_rng(5).random(3, np.float32)
    Tensor.manual_seed(1)
    first = Tensor.rand(3).tolist()
    with generator.seeded(5) as own:
        assert generator.current() is own
        assert Tensor.rand(3).tolist() == expected.tolist()
        with generator.seeded(np.random.SeedSequence(5)):
            assert Tensor.rand(3).tolist() == expected.tolist()
    assert [first, Tensor.rand(3).tolist()] == plain


@pytest.mark.parametrize("seed", [1.5, "5", -1, [1]])
def test_seeded_refuses_what_is_no_seed(seed) -> None:
    with pytest.raises(TypeError, match=r"^seeded: seed: expected an integer of 0 or more; got "):
        generator.seeded(seed).__enter__()


def test_the_state_brings_the_same_numbers_again() -> None:
    state = json.loads(json.dumps(generator.get_state()))
    drawn = Tensor.rand(5).tolist()
    Tensor.manual_seed(9)
    generator.set_state(state)
    assert Tensor.rand(5).tolist() == drawn


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_of_every_kind_goes_through_json(kind) -> None:
    source, target = new(kind, 0), new(kind, 1)
    source.integers(5, dtype=np.int32)  # leaves half of a 64-bit number behind
    source.random(3)
    generator.set_state(json.loads(json.dumps(generator.get_state(source))), target)
    assert target.integers(100, size=9, dtype=np.int32).tolist() == (
        source.integers(100, size=9, dtype=np.int32).tolist()
    )
    assert (target.random(700) == source.random(700)).all()


@pytest.mark.parametrize(
    ("kind", "part", "value"),
    [
        ("MT19937", "pos", 625),  # NumPy takes it, and reads beyond its memory
        ("MT19937", "pos", -1),
        ("MT19937", "key", [1, 2]),
        ("Philox", "counter", [0]),
        *((kind, "state", value) for kind in ("PCG64", "SFC64") for value in (None, "x", [])),
        *(("PCG64", "inc", value) for value in (-1, 2**128, 1.5)),
    ],
)
def test_a_damaged_state_changes_nothing(kind, part, value) -> None:
    target = new(kind, 0)
    before = generator.get_state(target)
    state = copy.deepcopy(before)
    state["state"][part] = value
    words = f"^set_state: the state of the {kind} is damaged; take it from "
    with pytest.raises(ValueError, match=words):
        generator.set_state(state, target)
    assert generator.get_state(target) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, 3, [], {}, "x", np.ones(2)])
def test_a_state_with_another_inside_is_damaged(kind, value) -> None:
    state = generator.get_state(new(kind, 0)) | {"state": value}
    with pytest.raises(ValueError, match=f"^set_state: the state of the {kind} is damaged; take "):
        generator.set_state(state, new(kind, 0))


def test_philox_keeps_to_its_buffer() -> None:
    state = generator.get_state(new("Philox", 0)) | {"buffer_pos": 5}
    with pytest.raises(ValueError, match="is damaged"):
        generator.set_state(state)


@pytest.mark.parametrize(
    ("state", "got"),
    [(None, "None"), (3, "3"), ({}, "dict"), ({"bit_generator": "seed"}, "'seed'")],
)
def test_what_is_no_state_is_refused(state, got) -> None:
    before = generator.get_state()
    with pytest.raises(ValueError, match=r"^set_state: expected the state of a generator") as error:
        generator.set_state(state)
    assert got in str(error.value)
    assert generator.get_state() == before


def test_the_state_of_another_kind_is_refused() -> None:
    words = "^set_state: expected the state of a SFC64; got that of a PCG64$"
    with pytest.raises(ValueError, match=words):
        generator.set_state(generator.get_state(new("PCG64", 0)), new("SFC64", 0))


def test_a_checkpoint_draws_from_the_generator_that_the_block_was_given() -> None:
    own = np.random.default_rng(3)
    with generator.seeded(own):
        checkpoint(lambda: Tensor.rand(2) * 1.0)
        inside = Tensor.rand(2).tolist()
    twin = np.random.default_rng(3)
    twin.random(2, np.float32)
    assert inside == twin.random(2, np.float32).tolist()
    assert generator.get_state(own) == generator.get_state(twin)


def drawn() -> float:
    return Tensor.rand(1).item()


def test_branches_are_closed_in_any_order() -> None:
    Tensor.manual_seed(0)
    state = generator.get_state()
    with generator.seeded(1):
        first = drawn()
    with generator.seeded(2):
        second = drawn()
    for order in itertools.permutations(range(3)):
        branches = [generator.Branch(seed) for seed in (1, 2, 1)]
        for branch, expected in zip(branches, (first, second, first), strict=True):
            branch.open()
            assert drawn() == expected
            with generator.outside():
                assert generator.get_state() == state
        for number in order:
            branches[number].close()
            branches[number].close()
        assert generator.get_state() == state


def test_a_branch_left_open_by_another_thread_ends_with_the_next() -> None:
    Tensor.manual_seed(0)
    state = generator.get_state()
    branch = generator.Branch(1)
    branch.open()
    thread = threading.Thread(target=branch.close)
    thread.start()
    thread.join()
    with generator.outside():
        assert generator.get_state() == state
    assert generator.get_state() == state


def test_outside_of_a_branch_another_seed_may_be_set() -> None:
    Tensor.manual_seed(0)
    branch = generator.Branch(1)
    branch.open()
    inside = drawn()
    with generator.outside():
        Tensor.manual_seed(7)
    assert drawn() != inside
    branch.close()
    found = drawn()
    Tensor.manual_seed(7)
    assert found == drawn()
    with generator.seeded(3):  # a branch there, and what is outside of it
        branch = generator.Branch(1)
        branch.open()
        with generator.outside():
            generator.set_state(generator.get_state(np.random.default_rng(9)))
        branch.close()
        found = drawn()
    with generator.seeded(9):
        assert found == drawn()
