"""Loaders, reports and snapshots of processes that a real mpiexec starts."""

import re
import signal
import time

import pytest
from mpi.launching import Started, launch

TRAINING = """
    import os, sys, time, zlib
    import numpy as np
    import nn
    from nn import training
    from nn._processes import current
    from tinygrad_lite import Tensor, generator

    out, stop, chunks, signalled = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    X = np.random.default_rng(3).normal(size=(22, 3)).astype(np.float32)

    def main():
        processes = nn.distributed.start()
        processes.chunks = chunks or None
        Tensor.manual_seed(4)
        batches = nn.distributed.shard(nn.data.DataLoader(
            X, batch_size=7, shuffle=True, seed=1, transform=lambda x: x + Tensor.rand(*x.shape)))
        resume = os.path.exists(out + "/snapshot.safetensors")
        weight, collected = np.zeros(3, np.float32), {}
        with training.Report(epochs=3, steps=len(batches), rows=22, out=out, resume=resume,
                             kept=(), every=2) as report:
            found = report.resume({}, batches=batches)
            weight = np.float32(found["weight"]) if found else weight
            try:
                for _ in range(batches.epoch, 3):
                    for x in batches:
                        time.sleep(float(os.environ.get("PAUSE", 0)))
                        part = processes.part
                        if part.rows:  # what DistributedOptimizer would exchange
                            drawn = Tensor.rand(3).numpy()
                            gradient = x.numpy().mean(axis=0) * np.float32(part.weight) + drawn
                            collected[part.number] = gradient.tobytes()
                        if part.last:
                            if signalled and report.taken == 4 and processes.rank == 1:
                                os.kill(os.getpid(), int(signalled[0]))
                            content = repr(collected).encode()
                            each = processes.gather(f"the gradients of {report.taken}", content)
                            all_parts = {}
                            for one in each:
                                all_parts |= eval(one)
                            for number in sorted(all_parts):
                                weight += np.frombuffer(all_parts[number], np.float32)
                            collected = {}
                        report.step(len(x), loss=x.numpy().mean())
                        if part.last and report.taken == stop:
                            report.save(weight=weight.tolist())
                            return 0
                    report.epoch()
            except training.Stopped as stopped:
                report.stopped(stopped, weight=weight.tolist())
                return report.status()
            values = [each.get("loss") for each in report.metrics.records()]
            state = repr((weight.tobytes(), values, generator.get_state()))
            checksums = processes.gather("the end", str(zlib.crc32(state.encode())).encode())
            assert len({*checksums}) == 1, checksums
            report.result(f"checksum {checksums[0].decode()}")
            return report.status()

    raise SystemExit(training.run(main))
"""


def checksum(run):
    (line,) = [line for line in run.out.splitlines() if line.startswith("checksum")]
    return line


def test_the_same_numbers_for_any_number_of_processes_also_after_a_resume(tmp_path):
    found = set()
    for ranks in (1, 2, 3, 4):
        run = launch(TRAINING, ranks, tmp_path / str(ranks), 0, 4, check=True)
        assert run.out.count("epoch 3/3: loss") == 1  # one process prints
        found.add(checksum(run))
    for before, after in ((4, 1), (1, 3), (2, 4)):
        out = tmp_path / f"{before} then {after}"
        launch(TRAINING, before, out, 5, 4, check=True)
        run = launch(TRAINING, after, out, 0, 4, check=True)
        assert run.out.count("after step 5 of 12") == 1
        found.add(checksum(run))
    assert len(found) == 1


def test_a_signal_to_one_rank_stops_all_after_the_same_step(tmp_path):
    whole = launch(TRAINING, 2, tmp_path / "whole", 0, 4, check=True)
    run = launch(TRAINING, 2, tmp_path / "out", 0, 4, 15)
    assert run.out.count("stopped after 5 of 12 steps") == 1
    assert (run.status, run.ours, run.left) == (143, [], [])
    again = launch(TRAINING, 3, tmp_path / "out", 0, 4, check=True)
    assert checksum(again) == checksum(whole)


def test_ctrl_c_at_mpiexec_stops_all_and_a_resume_goes_on(tmp_path):
    """It passes the signal on to all ranks."""
    whole = launch(TRAINING, 2, tmp_path / "whole", 0, 4, check=True)
    out = tmp_path / "out"
    with Started(TRAINING, 2, out, 0, 4, environment={"PAUSE": "0.3"}) as started:
        until = time.monotonic() + 30
        while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").stat().st_size:
            assert time.monotonic() < until
            time.sleep(0.02)
        started.process.send_signal(signal.SIGINT)
        run = started.end(30)
    assert len(re.findall(r"stopped after \d of 12 steps", run.out)) == 1
    assert (run.status, run.ours, run.left) == (0, [], [])
    again = launch(TRAINING, 4, out, 0, 4, check=True)
    assert checksum(again) == checksum(whole)


ORDERS = """
    import numpy as np
    import nn
    nn.distributed.start()
    generator = np.random.default_rng()
    for x in nn.distributed.shard(nn.data.DataLoader(np.arange(8), shuffle=True, seed=generator)):
        pass
"""


def test_orders_that_differ_end_with_the_fix():
    run = launch(ORDERS, 3)
    assert run.status != 0
    (line,) = run.ours
    assert "an order of the rows that begins with" in line
    assert "give all the same seed=" in line
    assert run.left == []


OPTIONS = """
    from nn import training
    import nn
    def main():
        args = training.arguments("d", epochs=1, batch_size=1, lr=0.1, distributed=False)
        nn.distributed.start()
        with training.Report(epochs=1, steps=1, rows=1, out=args.out) as report:
            return report.status(0.25, 0.5)
    raise SystemExit(training.run(main))
"""


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--lrr", "3"], 2, "program.py: error: --lrr 3: no such option; did you mean --lr?"),
        (["--out", "/dev/null/x"], 2, "--out /dev/null/x: cannot be written (Not a directory)"),
        ([], 1, "that is below the target of 0.5, so the status is 1"),
    ],
)
def test_what_concerns_all_is_told_once(options, status, said):
    run = launch(OPTIONS, 3, "--distributed", *options)
    assert (run.status, run.out, run.left) == (status, "", [])
    (line,) = run.err.splitlines()
    assert line.endswith(said)
