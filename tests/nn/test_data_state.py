"""Where a DataLoader stands: what was delivered counts, and a loaded one gives what is left."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nn.data import BatchSampler, DataLoader, RandomSampler, WeightedRandomSampler
from tinygrad_lite import Tensor, generator

X = np.arange(10 * 3, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)
EPOCHS = 3


def noise(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x + Tensor.randn(*x.shape), y


class Noisy:
    """A data set whose samples draw as Tensor does."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return Tensor.rand(2), index


class Drawn:
    """A sampler that nobody can ask where it stands: other numbers in every epoch."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(5)

    def __len__(self) -> int:
        return 10

    def __iter__(self) -> Iterator[int]:
        return iter(self.random.permutation(10).tolist())


def of(*data: Any, **options: Any) -> Callable[[], DataLoader]:
    return lambda: DataLoader(*data, **{"batch_size": 4, **options})


MAKERS = {
    "in order": of(X, Y),
    "one array": of(X),
    "shuffled": of(X, Y, shuffle=True, seed=3),
    "drop_last": of(X, Y, shuffle=True, seed=3, drop_last=True),
    "no seed": of(X, Y, shuffle=True),
    "transform": of(X, Y, shuffle=True, seed=3, transform=noise),
    "transform in order": of(X, Y, seed=3, transform=noise),
    "transform, no seed": of(X, Y, transform=noise),
    "data set": of(Noisy(), seed=3),
    "data set, no seed": of(Noisy(), shuffle=True),
    "a list as sampler": of(X, Y, sampler=[3, 1, 4, 1, 5, -1]),
    **{
        kind: lambda kind=kind: DataLoader(
            *(X, Y), shuffle=True, batch_size=4, seed=getattr(np.random, kind)(3)
        )
        for kind in ("PCG64DXSM", "MT19937", "Philox", "SFC64")
    },
    "random sampler": lambda: of(X, Y, sampler=RandomSampler(X, num_samples=14, seed=1))(),
    "weighted sampler": lambda: of(
        X, Y, transform=noise, seed=2, sampler=WeightedRandomSampler(Y, 9, seed=1)
    )(),
    "batch sampler": lambda: DataLoader(
        X, Y, batch_sampler=BatchSampler(RandomSampler(X, seed=1), 4)
    ),
    "batches of all sizes": of(X, Y, batch_size=1, batch_sampler=[[1, 2], [], [3]]),
}


def flat(batch: Any) -> list[Any]:
    return [part.tolist() for part in (batch if isinstance(batch, tuple) else (batch,))]


def run(loader: DataLoader, at: Callable[[int], None] = lambda _: None) -> list[Any]:
    """The batches of the rest of three epochs; `at` is called with the number delivered so far."""
    found: list[Any] = []
    at(0)
    for epoch in range(loader.epoch, EPOCHS):
        assert loader.epoch == epoch
        for batch in loader:
            found.append(flat(batch))
            at(len(found))
    assert loader.epoch == EPOCHS
    return found


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_loaded_loader_gives_what_is_left(make) -> None:
    Tensor.manual_seed(1)
    loader, states = make(), []

    def keep(_: int) -> None:
        states.append((copy.deepcopy(loader.state_dict()), generator.get_state()))

    whole = run(loader, keep)
    assert len(states) == len(whole) + 1 > EPOCHS
    for done, (state, tensors) in enumerate(states):
        Tensor.manual_seed(99)
        generator.set_state(tensors)
        other = make()
        other.load_state_dict(state)
        again = other.state_dict()
        assert str(again) == str(state)
        assert run(other) == whole[done:]


@pytest.mark.parametrize("name", [name for name in MAKERS if "sampler" not in name])
def test_without_a_sampler_a_state_fits_into_json(name) -> None:
    if name == "batches of all sizes":
        return
    loader = MAKERS[name]()
    next(iter(loader))
    state = json.loads(json.dumps(loader.state_dict()))
    other = MAKERS[name]()
    other.load_state_dict(state)
    assert other.state_dict() == loader.state_dict()


def test_a_sampler_without_a_state_is_kept_only_for_the_epoch() -> None:
    loader = DataLoader(X, Y, sampler=Drawn(), batch_size=4)
    batches = iter(loader)
    next(batches)
    other = DataLoader(X, Y, sampler=Drawn(), batch_size=4)
    other.load_state_dict(loader.state_dict())
    assert [flat(batch) for batch in other] == [flat(batch) for batch in batches]


def test_between_two_epochs() -> None:
    loader = MAKERS["shuffled"]()
    list(loader)
    state = loader.state_dict()
    assert state["position"] is None
    following = [flat(batch) for batch in loader]
    other = MAKERS["shuffled"]()
    other.load_state_dict(state)
    assert other.epoch == 1
    assert [flat(batch) for batch in other] == following


def test_if_all_was_delivered_only_the_end_is_left() -> None:
    loader = MAKERS["shuffled"]()
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    assert loader.epoch == 0
    state = loader.state_dict()
    assert next(batches, None) is None
    assert loader.epoch == 1
    other = MAKERS["shuffled"]()
    other.load_state_dict(state)
    assert other.epoch == 0
    assert list(other) == []
    assert other.epoch == 1
    assert [flat(batch) for batch in other] == [flat(batch) for batch in loader]


def test_after_a_break_the_next_for_begins_a_new_epoch() -> None:
    loader, other = MAKERS["shuffled"](), MAKERS["shuffled"]()
    for _ in loader:
        break
    assert loader.epoch == 0
    list(other)
    assert [flat(batch) for batch in loader] == [flat(batch) for batch in other]
    assert (loader.epoch, other.epoch) == (1, 2)


def test_an_epoch_that_was_delivered_counts_even_if_its_for_was_left() -> None:
    loader = MAKERS["shuffled"]()
    for number, _ in enumerate(loader):
        if number == 2:
            break
    assert loader.epoch == 0
    next(iter(loader))
    assert loader.epoch == 1


def test_an_iterator_that_ends_late_counts_once() -> None:
    loader = MAKERS["shuffled"]()
    first = iter(loader)
    for _ in range(3):
        next(first)
    next(iter(loader))
    assert next(first, None) is None
    assert loader.epoch == 1


@pytest.mark.parametrize("leave", ["break", "error", "close"])
def test_a_for_that_was_left_can_be_saved(leave) -> None:
    loader, whole = MAKERS["transform"](), [flat(batch) for batch in MAKERS["transform"]()]
    batches = iter(loader)
    try:
        for _ in batches:
            if leave == "error":
                raise KeyboardInterrupt
            break
    except KeyboardInterrupt:
        pass
    if leave == "close":
        batches.close()
    other = MAKERS["transform"]()
    other.load_state_dict(loader.state_dict())
    assert [flat(batch) for batch in other] == whole[1:]


def test_loading_twice_or_into_a_loader_in_use() -> None:
    loader = MAKERS["shuffled"]()
    batches = iter(loader)
    whole = [flat(next(batches))]
    state = loader.state_dict()
    whole += [flat(batch) for batch in batches]
    for _ in range(2):
        loader.load_state_dict(state)
        assert [flat(batch) for batch in loader] == whole[1:]
        assert loader.epoch == 1
    loader.load_state_dict(state)
    loader.load_state_dict(MAKERS["shuffled"]().state_dict())
    assert [flat(batch) for batch in loader] == whole
    used = iter(loader)
    next(used)
    loader.load_state_dict(state)
    assert len(list(used)) == 2  # goes on with what it had
    assert [flat(batch) for batch in loader] == whole[1:]


def test_a_state_is_apart_from_the_loader() -> None:
    loader = MAKERS["a list as sampler"]()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    state["position"]["order"][:] = 0
    assert next(batches)[1].tolist() == [5, 9]
    loader.load_state_dict(state)
    state["position"]["order"][:] = 7
    assert [flat(batch)[1] for batch in loader] == [[0, 0]]


def test_a_shared_generator_goes_on_for_all() -> None:
    random = np.random.default_rng(1)
    loader = DataLoader(X, Y, batch_size=4, shuffle=True, seed=random)
    batches = iter(loader)
    next(batches)
    random.random()
    state = loader.state_dict()
    rest, drawn = [flat(batch) for batch in batches], random.random(3).tolist()
    again = np.random.default_rng(2)
    other = DataLoader(X, Y, batch_size=4, shuffle=True, seed=again)
    other.load_state_dict(state)
    assert [flat(batch) for batch in other] == rest
    assert again.random(3).tolist() == drawn


# What is refused

HOSTILE = [None, True, -1, 1.5, 10**30, "x", b"x", [], {}, [1], object(), np.ones(2), Tensor([1.0])]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every entry of nested dicts and lists."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(part, (*path, key))


def with_another(state: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(state)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def refusal(loader: DataLoader, state: Any) -> str | None:
    """The words of the ValueError; any other error is a failure."""
    try:
        loader.load_state_dict(state)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ["shuffled", "no seed", "MT19937", "weighted sampler", "in order"])
def test_a_damaged_state_is_refused_and_changes_nothing(name) -> None:
    loader = MAKERS[name]()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    before, refused = str(state), 0
    for path in paths(state):
        for value in HOSTILE:
            changed = with_another(state, path, value)
            error = refusal(loader, changed)
            if error is None:  # another number can be a right one
                loader.load_state_dict(state)
                continue
            refused += 1
            assert error.startswith(("DataLoader: load_state_dict: ", "WeightedRandomSampler: l"))
            assert "\n" not in error
            assert str(loader.state_dict()) == before
    assert refused > 100


@pytest.mark.parametrize("state", [*HOSTILE, {"epoch": 1}, {"epoch": 0, "extra": 1}])
def test_what_is_no_state_is_refused(state) -> None:
    with pytest.raises(ValueError, match=r"^DataLoader: load_state_dict: expected what state_dict"):
        MAKERS["shuffled"]().load_state_dict(state)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (of(X[:9], Y[:9], shuffle=True, seed=3), r"rows: here it is 9; the state has 10$"),
        (of(X, Y, shuffle=True, seed=3, batch_size=5), r"batch_size: here it is 5; the state has"),
        (of(X, Y, seed=3), r"shuffle: here it is False; the state has True$"),
        (of(X, Y, shuffle=True, seed=3, drop_last=True), r"drop_last: here it is True; the state"),
        (of(X, Y, shuffle=True), r"generator: this is the state with a seed; here it is seed=None"),
        (
            of(X, Y, shuffle=True, seed=np.random.SFC64(3)),
            r"generator: set_state: expected the state of a SFC64; got that of a PCG64$",
        ),
    ],
)
def test_the_state_of_other_data_or_options_is_refused(other, words) -> None:
    loader = MAKERS["shuffled"]()
    next(iter(loader))
    target = other()
    before = target.state_dict()
    with pytest.raises(ValueError, match=f"^DataLoader: load_state_dict: {words}"):
        target.load_state_dict(loader.state_dict())
    assert target.state_dict() == before


def test_the_state_of_a_loader_with_a_sampler_is_refused_without_one() -> None:
    sampled, plain = MAKERS["random sampler"](), MAKERS["in order"]()
    with pytest.raises(ValueError, match=r"the sampler, a NoneType, has no state; got one$"):
        plain.load_state_dict(sampled.state_dict())
    with pytest.raises(ValueError, match=r"the sampler, a RandomSampler, has a state, which is mi"):
        sampled.load_state_dict(plain.state_dict())
    next(iter(sampled))
    with pytest.raises(ValueError, match=r"position: order: expected None; this state is of a lo"):
        plain.load_state_dict(sampled.state_dict())


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("order", [0, 10], r"position: order: there are 10 rows; got the index 10$"),
        ("order", [-11, 0], r"position: order: there are 10 rows; got the index -11$"),
        ("bounds", [], r"position: bounds: expected rising numbers from 0 to at most 6$"),
        ("bounds", [1, 2], "position: bounds: expected rising numbers"),
        ("bounds", [0, 3, 2], "position: bounds: expected rising numbers"),
        ("bounds", [0, 7], "position: bounds: expected rising numbers"),
        ("order", np.array([1], np.uint64), "position: order: expected integers of 63 bits"),
        ("order", [2**70], r"position: order: expected integers"),
        ("delivered", 3, r"position: delivered: expected an integer of 0 to 2; got 3$"),
    ],
)
def test_an_order_that_cannot_be_is_refused(part, value, words) -> None:
    loader = MAKERS["a list as sampler"]()
    next(iter(loader))
    state = loader.state_dict()
    state["position"][part] = value
    with pytest.raises(ValueError, match=f"^DataLoader: load_state_dict: {words}"):
        loader.load_state_dict(state)
