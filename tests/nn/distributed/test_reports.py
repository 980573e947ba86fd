"""Report in several processes: the numbers of one, lines and files of the leading one alone."""

import json
import math
import os
import re
import signal
import sys

import numpy as np
import pytest
from several import Given, entered, ranks

from nn._processes import current
from nn.data import DataLoader
from nn.distributed.sharding import parts, shard
from nn.training import Metrics, Progress, Report, Stop, Stopped, about
from nn.training import arguments as arguments_of
from nn.training._leading import by_leading
from tinygrad_lite import Tensor

X = np.sqrt(np.arange(1, 12.0))
STEPS, EPOCHS = 3, 2


@pytest.fixture(autouse=True)
def usual_signals():
    """Signals have their usual effects, also where the tests run behind `&`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def loader():
    return shard(DataLoader(X, batch_size=4, shuffle=True, seed=1))


def timeless(text):
    return re.sub(r"[\d.]+k? images/s", "N images/s", text)


def trained(out=None, every=2, **options):
    """Two epochs, whose records and status are returned."""
    batches = loader()
    with Report(
        epochs=EPOCHS, steps=STEPS, rows=11, unit="images", out=out, every=every, kept=(), **options
    ) as report:
        for _ in range(EPOCHS):
            for x in batches:
                report.step(len(x), loss=x.numpy().mean(), square=(x * x).mean())
            report.epoch(held_out=0.25)
        report.say("said")
        report.result("result")
        found = [
            {key: value for key, value in each.items() if "second" not in key}
            for each in report.metrics.records()
        ]
        return found, (report.taken, report.seen), report.status(0.1, 0.2)


def expected_means():
    """The mean of each batch in float64, and the rows."""
    batches = DataLoader(X, batch_size=4, shuffle=True, seed=1)
    return [[(x.numpy().mean(), len(x)) for x in batches] for _ in range(EPOCHS)]


@pytest.mark.parametrize("chunks", [None, 1, 4, 6])
def test_the_numbers_are_those_of_one_process(chunks):
    means = expected_means()
    first = None
    for size in (1, 2, 3, 4):
        ended = ranks(size, trained, chunks)
        (records, counts, status) = ended[0].result
        assert all(each.result == ended[0].result for each in ended)
        assert counts == (STEPS * EPOCHS, 11 * EPOCHS)
        assert status == 1
        steps = [each for each in records if each["kind"] == "step"]
        flat = [mean for epoch in means for mean, _ in epoch]
        for number, record in enumerate(steps, 1):
            assert record["step"] == 2 * number
            last = flat[2 * number - 2 : 2 * number]
            assert record["loss"] == pytest.approx(sum(last) / 2, rel=1e-15)
        for epoch, record in zip(
            means, (each for each in records if each["kind"] == "epoch"), strict=True
        ):
            total = sum(mean * rows for mean, rows in epoch) / 11
            assert record["loss"] == pytest.approx(total, rel=1e-15)
            assert record["held_out"] == 0.25
        if chunks:  # to the bit
            first = first or (records, timeless(ended[0].out), ended[0].err)
            assert (records, timeless(ended[0].out), ended[0].err) == first
        assert timeless(ended[0].out).splitlines()[-2:] == ["said", "result"]
        assert "so the status is 1" in ended[0].err
        assert {(each.out, each.err) for each in ended[1:]} <= {("", "")}


def test_alone_without_chunks_the_records_are_those_without_shard():
    batches = DataLoader(X, batch_size=4, shuffle=True, seed=1)
    with Report(epochs=1, steps=STEPS, rows=11, every=1, quiet=True) as report:
        for x in batches:
            report.step(len(x), loss=x.numpy().mean(), square=(x * x).mean())
        plain = report.metrics.records()
    with Report(epochs=1, steps=STEPS, rows=11, every=1, quiet=True) as report:
        for x in loader():
            report.step(len(x), loss=x.numpy().mean(), square=(x * x).mean())
        assert report.metrics.records() == plain
        assert report.shares.steps == report.shares.open == []


def test_a_copy_of_another_row_counts_nothing():
    def work():
        with Report(epochs=1, steps=2, rows=3, every=1, quiet=True) as report:
            for batch in (np.array([1.0]), np.array([2.0, 4.0])):
                for x in parts(batch):
                    report.step(len(x), loss=x.mean() if current().part.rows else math.nan)
            return [each["loss"] for each in report.metrics.records()], report.seen

    assert [each.result for each in ranks(3, work)] == 3 * [([1.0, 3.0], 3)]


def test_without_parts_each_process_counts_with_its_rows():
    def work():
        rank = current().rank
        with Report(epochs=1, steps=2, rows=6, every=2, quiet=True) as report:
            for _ in range(2):
                report.step(1 + rank, loss=float(rank))
            report.epoch()
            step, epoch = report.metrics.records()
            return step["loss"], epoch["loss"], report.seen, report.progress.done

    # Two steps of rows 0, 1, 1.
    found = [each.result for each in ranks(2, work)]
    assert [each[:3] for each in found] == 2 * [(2 / 3, 2 / 3, 6)]


def test_values_beyond_numbers():
    def work():
        with Report(epochs=1, steps=3, rows=6, every=3, quiet=True) as report:
            for pair in ([math.inf, -math.inf], [1.6e308, 1.6e308], [math.nan, 1.0]):
                report.step(1, loss=pair[current().rank])
            return list(report.recent["loss"]), list(report.totals["loss"])

    for each in ranks(2, work):
        recent, (total, rows) = each.result
        assert math.isnan(recent[0])
        assert recent[1] == math.inf  # as where one process adds them
        assert math.isnan(total)
        assert rows == 6


def test_rows_without_a_count_have_a_mean():
    def work():
        with Report(epochs=1, steps=1, rows=0, every=1, quiet=True) as report:
            report.step(0, loss=float(current().rank))
            return report.metrics.records()[0]["loss"]

    assert [each.result for each in ranks(3, work)] == [1.0] * 3


def test_the_live_line_counts_the_rows_of_all():
    def work():
        with Report(epochs=1, steps=3, rows=11 * 5, every=20) as report:
            for x in loader():
                report.step(5 * len(x), loss=0.0)  # five characters in a row
            return report.progress.done

    for size, chunks in ((1, 3), (2, None), (2, 4), (4, 4)):
        with_parts = ranks(size, work, chunks)
        assert with_parts[0].result == pytest.approx(55, abs=3)


def test_only_the_leading_process_has_files(tmp_path):
    before = os.getcwd()
    ended = ranks(3, lambda: trained(str(tmp_path / "out"), tensorboard=None))
    assert before == os.getcwd()
    assert all(each.result[2] == 1 for each in ended)
    assert sorted(os.listdir(tmp_path / "out")) == ["metrics.jsonl"]
    records = Metrics.read(tmp_path / "out" / "metrics.jsonl").records()
    assert len(records) == 3 + 2
    assert "kept in" in ended[0].out
    assert {(each.out, each.err) for each in ended[1:]} == {("", "")}


def test_a_folder_that_the_leading_process_cannot_use_ends_all_with_one_line(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    ended = ranks(3, lambda: trained(str(file / "out")))
    assert [each.result for each in ended] == [2, 2, 2]
    assert re.fullmatch(r"rank 0 of 3 on \S+: --out .*file/out: cannot be .*\n", ended[0].err)
    assert {(each.out, each.err) for each in ended[1:]} == {("", "")}


def test_records_of_a_process_that_does_not_lead_are_in_memory(tmp_path):
    with entered(Given(1, 2)):
        metrics = Metrics(tmp_path / "metrics.jsonl")
        metrics.add("step", step=1)
        assert len(metrics.records()) == 1
        assert Progress(3).quiet
    assert not os.listdir(tmp_path)


def test_who_counts_fewer_steps_ends_all():
    """At the first moment at which the values are put together."""

    def work():
        with Report(epochs=1, steps=4, rows=4, quiet=True) as report:
            for step in range(4):
                if step != current().rank - 1:
                    report.step(1, loss=1.0)
            try:
                report.epoch()
            except RuntimeError as error:
                return str(error)

    for each in ranks(2, work):
        assert each.result == (
            "Report: at the end of epoch 1, rank 1 gave 3 steps since the last time, and rank 0 4; "
            "expected report.step for each batch, in all processes"
        )


def stopping(number, who, out=None, gradients_first=True):
    """A loop in which one process gets a signal in its fifth step."""
    batches = loader()
    with Report(epochs=9, steps=STEPS, rows=11, out=out, kept=(), every=20) as report:
        report.resume({}, batches=batches)
        try:
            for _ in range(9):
                for x in batches:
                    if report.taken == 4 and current().part.last and current().rank == who:
                        signal.raise_signal(number)
                    if current().part.last and gradients_first:
                        current().agree("the gradients")
                    report.step(len(x), loss=x.numpy().mean())
                    if current().part.last and not gradients_first:
                        current().agree("the gradients")
        except Stopped as stop:
            report.stopped(stop)
        return report.taken, report.status(), report.seen


@pytest.mark.parametrize("chunks", [None, 4])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_to_one_process_stops_all_after_the_same_step(number, status, chunks, tmp_path):
    for who in (0, 1):
        out = str(tmp_path / str(who))
        ended = ranks(2, lambda who=who, out=out: stopping(number, who, out), chunks)
        assert [each.result for each in ended] == 2 * [(5, status, 11 + 4 + 4)]
        assert "stopped after 5 of 27 steps" in ended[0].out
        assert (ended[1].out, ended[1].err) == ("", "")
        assert os.path.exists(tmp_path / str(who) / "snapshot.safetensors")
        # The signal may come when the exchange of that step has begun.
        ended = ranks(2, lambda who=who: stopping(number, who, None, False), chunks)
        assert [each.result[:2] for each in ended] == 2 * [(6, status)]


def test_a_stop_alone_waits_until_all_know():
    def work():
        with Stop() as stop:
            if current().rank == 1:
                signal.raise_signal(signal.SIGTERM)
            stop.check()
            assert stop.number == 0
            current().agree("a step")
            with pytest.raises(Stopped) as stopped:
                stop.check()
            return stop.number, str(stopped.value)

    found = (signal.SIGINT, "by a signal to another process"), (signal.SIGTERM, "by SIGTERM")
    assert [each.result for each in ranks(2, work)] == [*found]

    def again():
        current().asks_to_stop = current().stops = True
        with Stop() as stop:
            stop.check()
            return current().asks_to_stop, current().stops

    assert ranks(1, again)[0].result == (False, False)


def test_the_status_is_that_of_the_leading_process():
    def work():
        with Report(epochs=1, steps=1, rows=1) as report:
            first = report.status(float(current().rank), 0.5)
            return first, report.status(float(1 - current().rank), 0.5)

    ended = ranks(2, work)
    assert [each.result for each in ended] == [(1, 0), (1, 0)]
    assert ended[0].err.count("below the target of 0.5") == 1
    assert ended[1].err == ""


def test_the_line_of_a_failure_names_the_process(capsys):
    with entered(Given(1, 4)) as processes:
        processes.host = "b"
        with pytest.raises(SystemExit) as ended, about("--data"):
            raise OSError("no such file")
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "rank 1 of 4 on b: --data: no such file\n")


def test_options_have_a_standard_text(capsys):
    with pytest.raises(SystemExit):
        arguments_of("d", epochs=1, batch_size=2, lr=0.1, distributed=False, chunks=None,
                     argv=["--help"])  # fmt: skip
    said = " ".join(capsys.readouterr().out.split())
    assert "--distributed " in said
    assert "started by mpiexec" in said
    args = arguments_of("d", epochs=1, batch_size=2, lr=0.1, distributed=False, chunks=None,
                        argv=["--chunks", "4"])  # fmt: skip
    assert (args.distributed, args.chunks) == (False, 4)
    with pytest.raises(SystemExit):
        arguments_of("d", epochs=1, batch_size=2, lr=0.1, chunks=None, argv=["--chunks", "0"])
    assert "--chunks: expected an integer from 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rank", "argv", "said"),
    [("0", ["--distributed"], 1), ("1", ["--distributed"], 0), ("1", [], 1), (None, [], 1)],
)
def test_a_wrong_option_is_told_once(rank, argv, said, monkeypatch, capsys):
    for name in ("PMI_RANK", "PMIX_RANK", "PALS_RANKID"):
        monkeypatch.delenv(name, raising=False)
    if rank is not None:
        monkeypatch.setenv("PMI_RANK", rank)
    monkeypatch.setattr(sys, "argv", ["program", *argv, "--lrr", "2"])
    with pytest.raises(SystemExit) as ended:
        arguments_of("d", epochs=1, batch_size=2, lr=0.1, distributed=False)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("--lrr") == said


def test_chunks_belong_to_the_config_and_distributed_does_not():
    with Report(epochs=1, steps=1, rows=1, quiet=True) as report:
        report.resume({"distributed": True, "chunks": 4, "lr": 0.1}, x=Tensor([1.0]))
        assert json.dumps(report.config) == '{"chunks": 4, "lr": 0.1}'


@pytest.mark.parametrize(
    ("status", "others"), [(None, None), (0, 0), (3, 3), (-1, -1), ("no such option", 1)]
)
def test_who_leaves_for_all_prints_and_the_others_have_its_status(status, others):
    def work():
        def leave():
            raise SystemExit(status)

        by_leading("the start", leave)

    assert [each.result for each in ranks(3, work)] == [status, others, others]
