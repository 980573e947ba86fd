"""A sweep over processes: the results of the loop, whoever dies, raises or gets a signal."""

import csv
import json
import os
import re
import signal
import sys
import time

import pytest
from mpi.launching import Started, launch

HEAD = """
    import multiprocessing, os, signal, sys, time
    from pathlib import Path
    import nn
    from nn import training
    from nn._processes import current
    from tinygrad_lite import Tensor

    OUT = sys.argv[1] if len(sys.argv) > 1 else None
"""
# Each training says to whom it belongs; what it computes depends on its draws and its options.
PLAIN = f"""
    {HEAD}
    def train(lr, seed):
        assert (current().size, current().rank) == (1, 0) and nn.distributed.start().size == 1
        if multiprocessing.current_process().name == "training":
            launchers = ("PMI_", "OMPI_", "PMIX_")
            assert not [name for name in os.environ if name.startswith(launchers)]
            assert sys.stdin.read() == ""
        unseeded = Tensor.rand(1).item()
        Tensor.manual_seed(seed)
        model = nn.Linear(4, 1)
        sgd = nn.optim.SGD(model.parameters(), lr)
        for _ in range(5):
            loss = (model(Tensor.rand(8, 4)) ** 2).mean()
            loss.backward()
            sgd.step()
            sgd.zero_grad()
        print("done", lr, seed)
        return {{"loss": loss, "unseeded": unseeded, "why": None, "list": [1, (2.5, "x")]}}

    def main():
        Tensor.manual_seed(7)
        rows = nn.distributed.sweep(train, {{"lr": [0.1, 0.01], "seed": range(COUNT)}}, out=OUT)
        for each in rows:
            del each["seconds"], each["rank"], each["host"]
        print("rows", current().rank, rows)

    if __name__ == "__main__":
        raise SystemExit(training.run(main))
"""


def rows(run):
    """What each process returned, as text."""
    return dict(re.findall(r"^rows (\d) (.*)$", run.out, re.MULTILINE))


def test_all_processes_return_what_the_loop_does(tmp_path):
    """Fewer trainings than ranks, and more."""
    for count, sizes in ((1, (3,)), (2, (1, 2))):
        program = PLAIN.replace("COUNT", str(count))
        alone = launch(program, 1, launcher=[sys.executable], check=True)
        expected = rows(alone)["0"]
        for ranks in sizes:
            run = launch(program, ranks, tmp_path / f"{count}-{ranks}", check=True)
            assert rows(run) == {str(rank): expected for rank in range(ranks)}
            ended = re.findall(r"^(\d) of (\d): lr=.*", run.out, re.MULTILINE)
            assert ended == [(str(n), str(2 * count)) for n in range(1, 2 * count + 1)]


def test_the_folder_has_a_table_and_what_each_printed(tmp_path):
    run = launch(PLAIN.replace("COUNT", "2"), 2, tmp_path / "out", check=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"{n}.log" for n in (1, 2, 3, 4)), "results.csv", "sweep.json"
    ]  # fmt: skip
    assert (tmp_path / "out" / "2.log").read_text() == "done 0.1 1\n"
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["lr"], row["seed"]) for row in table] == [
        ("0.1", "0"), ("0.1", "1"), ("0.01", "0"), ("0.01", "1")
    ]  # fmt: skip
    assert {row["rank"] for row in table} == {"0", "1"}
    assert "done" not in run.out
    again = launch(PLAIN.replace("COUNT", "2"), 3, tmp_path / "out", check=True)
    assert rows(again) == {**rows(run), "2": rows(run)["0"]}
    assert f"resuming in {tmp_path / 'out'}: 4 of 4 are finished" in again.out.splitlines()


def test_without_a_folder_lines_have_the_name_of_their_training():
    program = f"""
    {HEAD}
    def train(n):
        for i in range(200):
            os.write(1, b"half of ")
            os.write(2, b"line %d\\n" % i)
        print("last", end="")
        return n

    if __name__ == "__main__":
        nn.distributed.sweep(train, {{"n": [1, 2]}})
    """
    run = launch(program, 2, check=True)
    lines = [line for line in run.out.splitlines() if line.startswith(("n=1: ", "n=2: "))]
    for n in (1, 2):
        own = [line[5:] for line in lines if line.startswith(f"n={n}: ")]
        assert own == [*(f"half of line {i}" for i in range(200)), "last"]


def test_much_to_print_and_to_return(tmp_path):
    """More than fits into the buffers of pipes, sockets and small messages."""
    program = f"""
    {HEAD}
    def train(n):
        for _ in range(30):
            print("x" * 99_999)
        return {{"list": [n + i / 3 for i in range(100_000)]}}

    if __name__ == "__main__":
        for each in nn.distributed.sweep(train, {{"n": [1, 2]}}, out=OUT):
            assert each["list"] == [each["n"] + i / 3 for i in range(100_000)]
    """
    launch(program, 2, tmp_path, check=True)
    for name in ("1.log", "2.log"):
        assert (tmp_path / name).read_bytes() == (b"x" * 99_999 + b"\n") * 30


def test_what_the_leading_process_does_alone():
    program = f"""
    {HEAD}
    processes = nn.distributed.start()
    assert processes.size == 3
    if processes.leads:
        with nn.distributed.alone():
            assert nn.distributed.start() is current() is not processes
            assert (current().size, current().leads) == (1, True)
            current().agree("nobody else is here")
            with training.Report(epochs=1, steps=1, rows=1) as report:
                report.step(1)
                report.epoch()
    assert current() is nn.distributed.start() is processes
    processes.agree("all are here")
    """
    run = launch(program, 3, check=True)
    assert run.out.startswith("epoch 1/1: ")


# What dies, raises, or returns nonsense

FATES = f"""
    {HEAD}
    import ctypes

    def train(fate):
        if fate == "once" and not current().restarted or fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == "crash":
            ctypes.string_at(0)
        if fate == "memory":
            raise MemoryError
        if fate == "raise":
            raise ValueError("no")
        if fate == "exit":
            sys.exit("given up")
        if fate == "garbage":
            return object()
        if fate == "thread":  # that never ends
            import threading
            threading.Thread(target=time.sleep, args=(3600,)).start()
        return len(fate)

    if __name__ == "__main__":
        fates = ["good", "once", "killed", "crash", "memory", "raise", "exit", "garbage", "thread"]
        for each in nn.distributed.sweep(train, {{"fate": fates}}, out=OUT):
            if current().leads:
                print("row", each["fate"], each.get("result"), each.get("failed"), sep="|")
"""


@pytest.mark.parametrize("ranks", [2, 3])
def test_whatever_becomes_of_one_the_others_go_on(tmp_path, ranks):
    run = launch(FATES, ranks, tmp_path, check=True)
    killed, twice = (
        "its process was killed by SIGKILL, perhaps for lack of memory",
        " (attempt 2 of 2)",
    )
    assert [line.split("|")[1:] for line in run.out.splitlines() if line.startswith("row|")] == [
        ["good", "4", "None"],
        ["once", "4", "None"],
        ["killed", "None", killed + twice],
        ["crash", "None", "its process was killed by SIGSEGV" + twice],
        ["memory", "None", "MemoryError" + twice],
        ["raise", "None", "ValueError: no"],
        ["exit", "None", "it ended with status 1"],
        ["garbage", "None", GARBAGE],
        ["thread", "6", "None"],
    ]
    assert re.search(
        rf"^fate=once \(rank \d on .*\): {killed}; it is started again$", run.out, re.MULTILINE
    )
    assert (tmp_path / "6.log").read_text().endswith("\nValueError: no\n")
    assert (tmp_path / "7.log").read_text() == "given up\n"
    assert (tmp_path / "3.log").read_text() == "\n--- started again\n"
    assert set(json.loads((tmp_path / "sweep.json").read_text())["finished"]) == {"0", "1", "8"}


GARBAGE = (
    "TypeError: sweep: what fn returned: expected a number, text, None, or a list or dict of them; "
    "got object"
)


def test_a_main_module_that_cannot_be_imported_again_is_told(tmp_path):
    """Its call is not guarded, so that the child would sweep itself."""
    program = f"""
    {HEAD}
    def train():
        return 1

    (row,) = nn.distributed.sweep(train, [{{}}], out=OUT)
    if current().leads:
        print(row["failed"])
    """
    run = launch(program, 2, tmp_path, check=True)
    assert "RuntimeError: sweep: " in run.out
    assert 'if __name__ == "__main__":' in run.out


def test_other_options_than_those_of_the_folder_end_all_with_one_line(tmp_path):
    launch(PLAIN.replace("COUNT", "1"), 2, tmp_path, check=True)
    run = launch(PLAIN.replace("COUNT", "2"), 2, tmp_path)
    assert run.status == 2
    assert run.left == []
    lines = [line for line in run.err.splitlines() if "sweep.json" in line]
    assert len(lines) == 1
    assert (
        "training 2 of the sweep there has lr=0.01, seed=0; this one has lr=0.1, seed=1" in lines[0]
    )


# Signals and deaths

LONG = f"""
    {HEAD}
    def train(n):
        if n < 2 or os.environ.get("SHORT"):
            return n
        Path(OUT, f"begun-{{n}}").write_text(str(os.getpid()))
        with training.Report(
            epochs=1, steps=2000, rows=2000, out=f"{{OUT}}/own-{{n}}", resume=True, kept=()
        ) as report:
            report.resume()
            try:
                while report.taken < 2000:
                    time.sleep(0.05)
                    report.step(1)
            except KeyboardInterrupt as stop:
                report.stopped(stop)
        return report.taken

    def main():
        rows = nn.distributed.sweep(train, {{"n": range(6)}}, out=OUT)
        print("rows", current().rank, [each["result"] for each in rows])

    if __name__ == "__main__":
        raise SystemExit(training.run(main))
"""


def until_begun(folder, count=2):
    """Wait until so many trainings take their time."""
    deadline = time.monotonic() + 60
    while len(list(folder.glob("begun-*"))) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)


def goes_on(folder):
    """A second run finishes what the first left; what was finished stays."""
    run = launch(LONG, 2, folder, check=True, environment={"SHORT": "1"})
    assert rows(run) == dict.fromkeys("01", "[0, 1, 2, 3, 4, 5]")
    assert f"resuming in {folder}: 2 of 6 are finished" in run.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_rank_stops_all_and_every_report_saves(tmp_path, number):
    with Started(LONG, 2, tmp_path) as started:
        until_begun(tmp_path)
        ranks = [pid for pid, command in started.processes() if is_rank(command)]
        assert len(ranks) == 2
        os.kill(ranks[1], number)
        run = started.end(30)
    assert run.left == []
    assert (
        f"the sweep was stopped; 2 of 6 trainings are finished, and kept in {tmp_path}" in run.out
    )
    assert "Traceback" not in run.err
    assert "rows" not in run.out
    for n in (2, 3):
        assert (tmp_path / f"own-{n}" / "snapshot.safetensors").stat().st_size
        assert "stopped after " in (tmp_path / f"{n + 1}.log").read_text()
    goes_on(tmp_path)


def test_ctrl_c_to_mpiexec(tmp_path):
    with Started(LONG, 2, tmp_path) as started:
        until_begun(tmp_path)
        started.process.send_signal(signal.SIGINT)
        run = started.end(30)
    assert run.left == []
    assert "Traceback" not in run.err
    for n in (2, 3):
        assert (tmp_path / f"own-{n}" / "snapshot.safetensors").stat().st_size
    goes_on(tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_second_ctrl_c_does_not_wait_for_the_training(tmp_path, rank):
    """The first one reaches the trainings, which go on; the second one only one of the ranks."""
    program = LONG.replace("report.step(1)", "pass")
    with Started(program, 2, tmp_path) as started:
        until_begun(tmp_path)
        ranks = [pid for pid, command in started.processes() if is_rank(command)]
        os.kill(ranks[rank], signal.SIGINT)
        time.sleep(1)
        began = time.monotonic()
        os.kill(ranks[rank], signal.SIGINT)
        run = started.end(30)
    assert time.monotonic() - began < 10
    assert run.left == []
    assert "Traceback" not in run.err
    assert "rows" not in run.out
    goes_on(tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_all_and_what_is_finished_stays(tmp_path, rank):
    with Started(LONG, 2, tmp_path) as started:
        until_begun(tmp_path)
        ranks = [pid for pid, command in started.processes() if is_rank(command)]
        began = time.monotonic()
        os.kill(ranks[rank], signal.SIGKILL)
        run = started.end(30)
    assert time.monotonic() - began < 10
    assert run.status
    assert run.left == []
    for n in (2, 3):  # their Reports saved, too
        assert (tmp_path / f"own-{n}" / "snapshot.safetensors").stat().st_size
    goes_on(tmp_path)


def is_rank(command):
    """Whether this is the command line of a rank, not that of mpiexec or of a training."""
    return "program.py" in command and "mpiexec" not in command and "hydra" not in command
