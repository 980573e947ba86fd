"""What concerns all processes of one mpiexec before start(), or without it: one line of one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mpi.launching import ROOT, Started, launch, mpiexec

REPORTS = """
    import sys
    from contextlib import nullcontext
    import nn
    from nn import training

    def train(out=None):
        with training.Report(epochs=1, steps=1, rows=1, out=out, kept=()) as report:
            report.step(1)
        return 0

    if __name__ == "__main__":
        way, out = sys.argv[1], sys.argv[2] or None
        if way == "start":
            nn.distributed.start()
        if way == "sweep":
            nn.distributed.sweep(train, [{}, {}, {}], quiet=True)
        else:
            with nn.distributed.alone() if way == "alone" else nullcontext():
                for _ in range(2):
                    train(out)
"""


def test_each_trains_alone_and_one_says_so():
    run = launch(REPORTS, 3, "", "")
    (line,) = run.err.splitlines()
    assert line.startswith("mpiexec or srun started 3 processes, and each trains alone: ")
    assert (run.status, run.left) == (0, [])


def test_one_at_most_writes_into_a_folder_of_all(tmp_path):
    program = """
        import sys, time
        from nn import training

        with training.Report(epochs=1, steps=1, rows=1, out=sys.argv[1], kept=()):
            print("writes", flush=True)
            time.sleep(5)
    """
    run = launch(program, 3, tmp_path)
    lines = run.err.splitlines()
    assert f"--out {tmp_path}: another run is writing there" in lines
    assert run.out.splitlines().count("writes") <= 1
    assert (run.status, run.left) == (2, [])


def test_each_may_have_a_folder_of_its_own(tmp_path):
    program = """
        import os, sys
        from nn import training

        out = f"{sys.argv[1]}/{os.environ['PMI_RANK']}"
        with training.Report(epochs=1, steps=1, rows=1, out=out, kept=()) as report:
            report.step(1)
            report.epoch()
    """
    run = launch(program, 3, tmp_path)
    assert run.err.count("each trains alone") == len(run.err.splitlines()) == 1
    assert (run.status, run.left) == (0, [])
    assert sorted(each.parent.name for each in tmp_path.glob("*/metrics.jsonl")) == [*"012"]


@pytest.mark.parametrize(("way", "ranks"), [("start", 2), ("alone", 2), ("sweep", 2), ("", 1)])
def test_nothing_is_said_of_processes_that_know_what_they_do(way, ranks):
    launch(REPORTS, ranks, way, "", check=True)


@pytest.mark.parametrize("name", ["mnist_convnet.py", "mnist_record.py"])
def test_examples_say_in_one_line_that_mpi_is_missing(name, tmp_path):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ImportError('none')")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    run = launch(ROOT / "examples" / name, 3, "--distributed", environment=path)
    (line,) = run.err.splitlines()
    assert line.startswith("nn.distributed: several processes need mpi4py and MPI")
    assert (run.status, run.out, run.left) == (2, "", [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--epochs", "x"], "--epochs: expected an integer from 1 to 2147483647; got x"),
        (["--data", "/nowhere"], "--data: /nowhere does not exist"),
        (["--chunks", "2", "--images", "100"], "start fewer processes, or take more chunks"),
    ],
)
def test_a_wrong_option_is_told_once(options, said):
    example = Path(ROOT / "examples" / "mnist_convnet.py")
    run = launch(example, 4, "--distributed", *options)
    *_, line = lines = run.err.splitlines()
    assert line.endswith(said)
    assert len(lines) == 1 or (len(lines) == 2 and "no MNIST" in lines[0])
    assert (run.status, run.out, run.left) == (2, "", [])


def test_an_error_that_is_not_about_the_chunks_does_not_blame_them():
    example = ROOT / "examples" / "mnist_convnet.py"
    options = ["--distributed", "--images", "100", "--lr"]
    first = ["-n", "1", sys.executable, example, *options, "0.1", ":", "-n", "1", sys.executable]
    run = launch(example, 1, *options, "0.2", launcher=[mpiexec(), *map(str, first)])
    assert "rank 1 has lr=0.2 in group 0, and rank 0 lr=0.1" in run.err
    assert "--chunks" not in run.err
    assert (run.status != 0, run.left) == (True, [])


def test_ctrl_c_before_start_is_told_once():
    program = """
        import time
        from nn import training

        def main():
            print("here", flush=True)
            time.sleep(60)

        raise SystemExit(training.run(main))
    """
    with Started(program, 3) as run:
        run.until("here\nhere\nhere")
        run.process.send_signal(signal.SIGINT)
        found = run.end(30)
    assert (found.err.count("stopped"), found.status, found.left) == (1, 130, [])


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ({"PMI_RANK": "0"}, "stopped\n"),
        ({"PMI_RANK": "2"}, ""),
        ({"PMI_RANK": "0", "SLURM_PROCID": "1"}, "stopped\n"),
        ({"SLURM_PROCID": "1"}, ""),  # srun without PMI
    ],
)
def test_ctrl_c_while_an_example_imports_is_told_once(ranks, said):
    program = (
        "import sys; sys.argv = ['examples/a.py']; sys.path.insert(0, 'examples'); "
        "import os, _interrupts; os.kill(os.getpid(), 2)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=ranks,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, "", said)
