"""Snapshots of several processes: one file, resumed by any number of them to the same bits."""

import itertools
import os
import re
import warnings

import numpy as np
import pytest
from several import ranks

import nn
from nn._processes import current
from nn.data import DataLoader
from nn.distributed import alone, shard
from nn.training import Report, Snapshot, about
from tinygrad_lite import Tensor, generator

X = np.random.default_rng(3).normal(size=(22, 3)).astype(np.float32)
CHUNKS = 4


def exchange(model, collected):
    """The mean gradient, added in the order of the parts: what `DistributedOptimizer` does."""
    part = current().part
    collected[part.number] = [p.grad.numpy() * part.weight for p in model.parameters()]
    if not part.rows:
        collected.clear()
    for p in model.parameters():
        p.grad = None
    if not part.last:
        return False
    size = sum(p.numpy().size for p in model.parameters())
    content = b"".join(
        np.float32(number).tobytes() + np.concatenate([g.ravel() for g in grads]).tobytes()
        for number, grads in collected.items()
    )
    collected.clear()
    given = [np.frombuffer(each, np.float32) for each in current().gather("gradients", content)]
    found = np.concatenate(given).reshape(-1, 1 + size)
    total = np.zeros(size, np.float32)
    for row in sorted(found.tolist()):
        total += np.float32(row[1:]) / part.parts
    start = 0
    for p in model.parameters():
        count = p.numpy().size
        p.grad = Tensor(total[start : start + count].reshape(p.shape))
        start += count
    return True


def noisy(x):
    return x + Tensor.rand(*x.shape)


def train(out=None, stop=None, epochs=3, seed=1, **loading):
    """A model with dropout; `stop`: save after this step and leave."""
    Tensor.manual_seed(4)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.4), nn.Linear(4, 1))
    adam = nn.optim.Adam(model.parameters(), 0.05)
    batches = shard(
        DataLoader(X, batch_size=7, shuffle=True, seed=seed, transform=noisy, **loading)
    )
    resume = out is not None and os.path.exists(f"{out}/snapshot.safetensors")
    with Report(
        epochs=epochs, steps=len(batches), rows=22, out=out, resume=resume, kept=(), every=2
    ) as report:
        values = report.resume({"lr": 1}, model=model, adam=adam, batches=batches)
        assert (values is not None) == resume
        collected = {}
        for _ in range(batches.epoch, epochs):
            for x in batches:
                loss = (model(x) ** 2).mean()
                loss.backward()
                if exchange(model, collected):
                    with alone():  # nobody else exchanges these gradients
                        adam.step()
                    adam.zero_grad()
                report.step(len(x), loss=loss.item())
                if current().part.last and report.taken == stop:
                    report.save(note=7)
                    return None
            report.epoch()
        records = [
            {key: value for key, value in each.items() if "second" not in key}
            for each in report.metrics.records()
        ]
        weights = [p.numpy().tobytes() for p in model.parameters()]
        return weights, records, generator.get_state(), batches.state_dict()


@pytest.mark.parametrize("seed", [1, None])
def test_another_number_of_processes_resumes_to_the_same_bits(tmp_path, seed):
    expected = ranks(1, lambda: train(seed=seed), CHUNKS)[0].result
    for size in (2, 3):
        for each in ranks(size, lambda: train(seed=seed), CHUNKS):
            assert str(each.result) == str(expected)
    for number, (before, after) in enumerate([(4, 1), (1, 4), (2, 3), (3, 2)]):
        out = str(tmp_path / f"{seed}-{number}")
        ranks(before, lambda out=out, number=number: train(out, 3 + number, seed=seed), CHUNKS)
        assert sorted(os.listdir(out)) == ["metrics.jsonl", "snapshot.safetensors"]
        ended = ranks(after, lambda out=out: train(out, seed=seed), CHUNKS)
        for each in ended:
            assert str(each.result) == str(expected)
        assert f"after step {3 + number} of 12" in ended[0].out
        assert {(each.out, each.err) for each in ended[1:]} <= {("", "")}


@pytest.mark.parametrize("by", ["report", "snapshot"])
def test_a_save_between_two_parts_of_a_batch_waits_for_its_end(tmp_path, by):
    """It is called as often as a process has parts; and half a batch is no state to go on with."""
    out = tmp_path / by

    def work():
        saved = []
        with Report(epochs=1, steps=4, rows=22, out=out, resume=False, quiet=True) as report:
            snapshot = Snapshot(tmp_path / "run.safetensors", report=report)
            report.resume()
            save = report.save if by == "report" else snapshot.save
            path = out / "snapshot.safetensors" if by == "report" else snapshot.path
            for x in shard(DataLoader(X, batch_size=7)):
                report.step(len(x))
                save()
                with alone():
                    saved.append(os.path.exists(path) and os.stat(path).st_mtime_ns)
        return saved

    first, _ = (each.result for each in ranks(2, work, 3))
    assert first[0] is False
    # The last batch has one row, so one part.
    assert [a != b for a, b in itertools.pairwise(first)] == [True, False] * 2 + [True, True]


def test_what_is_saved_of_random_numbers_is_outside_of_the_loop_body(tmp_path):
    path = tmp_path / "run.safetensors"
    Tensor.manual_seed(4)
    state = generator.get_state()
    snapshot = Snapshot(path, x=Tensor([1.0]))
    for _ in shard(DataLoader(X, batch_size=20)):
        Tensor.rand(3)
        snapshot.save()
        Tensor.manual_seed(9)
        own = generator.get_state()
        snapshot.resume()
        assert generator.get_state() == own
    assert generator.get_state() == state
    Tensor.manual_seed(5)
    snapshot.resume()
    assert generator.get_state() == state


def model_of(seed=0, width=2):
    Tensor.manual_seed(seed)
    return nn.Linear(3, width)


def test_the_leading_process_sends_the_file_to_the_others(tmp_path):
    """Others need no file: theirs would be in another folder of another machine."""

    def work(action):
        def run():
            rank = current().rank
            folder = tmp_path / f"host{rank}"
            folder.mkdir(exist_ok=True)
            model = model_of(rank if action == "resume" else 0)
            found = getattr(Snapshot(folder / "run.safetensors", model=model), action)()
            return found, model.weight.numpy().tolist(), sorted(os.listdir(folder))

        return run

    ended = ranks(2, work("resume"))
    assert [each.result[0] for each in ended] == [None, None]
    saved = ranks(3, work("save"))
    assert [each.result[2] for each in saved] == [["run.safetensors"], [], []]
    ended = ranks(2, work("resume"))
    assert [each.result[0] for each in ended] == [{}, {}]
    assert [each.result[1] for each in ended] == [saved[0].result[1]] * 2


@pytest.mark.parametrize("cause", ["damaged", "another", "is a folder", "no folder"])
def test_an_error_of_the_leading_process_ends_all_with_one_line(tmp_path, cause):
    path = tmp_path / "run.safetensors"
    Snapshot(path, model=model_of()).save()
    if cause == "damaged":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif cause == "is a folder":
        path.unlink()
        path.mkdir()
    elif cause == "no folder":
        path = tmp_path / "none" / "run.safetensors"

    def work():
        model = model_of(1, width=3 if cause == "another" else 2)
        before = model.weight.numpy().tolist()
        try:
            with about("--resume"):
                Snapshot(path, model=model).resume()
        finally:
            assert model.weight.numpy().tolist() == before

    ended = ranks(3, work)
    assert [each.result for each in ended] == [2, 2, 2]
    assert re.fullmatch(r"rank 0 of 3 on \S+: --resume: .*\n", ended[0].err)
    assert {(each.out, each.err) for each in ended[1:]} == {("", "")}

    def caught():
        try:
            Snapshot(path, model=model_of(1, width=3 if cause == "another" else 2)).resume()
        except (OSError, ValueError) as error:
            return str(error)
        return None

    first, *others = [each.result for each in ranks(3, caught)]
    assert first
    assert others == [first, first]


def test_an_error_of_another_process_names_it(tmp_path):
    path = tmp_path / "run.safetensors"
    Snapshot(path, model=model_of()).save()

    def work():
        with about("--resume"):
            Snapshot(path, model=model_of(width=2 + current().rank)).resume()
        return "resumed"

    first, second = ranks(2, work)
    assert (first.result, second.result) == ("resumed", 2)
    assert first.err == ""
    assert re.match(r"rank 1 of 2 on \S+: --resume: resume: .*weight", second.err)


def test_an_error_of_saving_ends_all(tmp_path):
    class Unready:
        def state_dict(self):
            assert current().leads
            raise BufferError("not now")

        def load_state_dict(self, state):
            raise NotImplementedError

    def work():
        with pytest.raises(BufferError, match="not now"):
            Snapshot(tmp_path / "x", thing=Unready()).save()
        return "raised"

    assert [each.result for each in ranks(2, work)] == ["raised"] * 2


def test_a_remark_comes_once(tmp_path):
    path = tmp_path / "run.safetensors"
    Snapshot(path, model=model_of(), config={"lr": 1}).save()

    def work():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Snapshot(path, model=model_of(), config={"lr": 2}).resume()
        return [str(each.message) for each in caught]

    first, *others = [each.result for each in ranks(3, work)]
    assert len(first) == 1
    assert "config: lr 1 -> 2" in first[0]
    assert others == [[], []]


def test_a_missing_snapshot_is_told_once(tmp_path):
    def work():
        with Report(epochs=1, steps=1, rows=1, out=str(tmp_path), resume=True, kept=()) as report:
            return report.resume({}, x=Tensor([1.0]))

    first, second = ranks(2, work)
    assert (first.result, second.result) == (None, None)
    assert first.out.startswith("there is no snapshot in")
    assert (second.out, second.err) == ("", "")


def test_all_gather_before_the_leading_process_saves(tmp_path):
    class Counted:
        def __init__(self):
            self.own, self.total = current().rank + 1, 0

        def gather_state(self):
            found = current().gather("counts", bytes([self.own]))
            self.total = sum(each[0] for each in found)

        def state_dict(self):
            return {"total": self.total}

        def load_state_dict(self, state):
            self.total = state["total"]

    def work(number):
        counted = Counted()
        Snapshot(tmp_path / f"{number}.safetensors", counted=counted).save()
        with Report(epochs=1, steps=1, rows=1, out=str(tmp_path / f"{number}"), kept=()) as report:
            other = Counted()
            report.resume({}, counted=other)
            report.step(1, loss=float(counted.own))
            report.save()
        counted.total = 0
        Snapshot(tmp_path / f"{number}.safetensors", counted=counted).resume()
        return counted.total, other.total, report.seen

    assert [each.result for each in ranks(3, lambda: work(3))] == [(6, 6, 3)] * 3
    assert ranks(1, lambda: work(1))[0].result == (0, 0, 1)
