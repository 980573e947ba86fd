"""Processes find each other, and exchange what they should."""

import sys

import pytest
from mpi.launching import launch

EXCHANGES = """
    import numpy as np
    import nn, tinygrad_lite as tl
    from nn._processes import current

    processes = nn.distributed.start()
    assert processes is nn.distributed.start() is current()
    rank, size = processes.rank, processes.size
    processes.agree("here", 7)
    tl.Tensor.randn(rank)  # the states would differ, but they are equal once only
    content = processes.broadcast("words", b"from 0" if rank == 0 else None)
    assert content == b"from 0", content
    assert processes.broadcast("nothing", b"" if rank == 0 else None) == b""
    found = processes.gather("names", b"x" * rank)
    assert found == [b"x" * each for each in range(size)], found
    assert processes.gather("nothing", b"") == [b""] * size
    total = processes.sum("numbers", np.array([[1e16 if rank == 0 else 1.0, rank]]))
    assert total.shape == (1, 2) and total[0, 1] == size * (size - 1) / 2
    expected = 1e16
    for _ in range(size - 1):
        expected += 1.0
    assert total[0, 0] == expected
    if size > 1:
        first, second = processes.announce("one", 1), processes.announce("two", 2)
        second.wait()
        first.wait()
        assert first.test() and second.test()
    processes.asks_to_stop = rank == size - 1
    processes.agree("stop?")
    assert processes.stops
    processes.asks_to_stop = False
    processes.agree("no more")
    assert not processes.stops
    print(rank, size, flush=True)
"""
DRAWS = """
    import nn, tinygrad_lite as tl
    tl.Tensor.manual_seed(0)
    import os
    own = tl.Tensor.rand(int(os.environ["PMI_RANK"]) + 1).numpy()
    processes = nn.distributed.start()
    draws = processes.gather("draws", tl.Tensor.rand(3).numpy().tobytes())
    assert len(set(draws)) == 1, draws
"""


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_each_process_gets_what_the_others_gave(ranks):
    run = launch(EXCHANGES, ranks, check=True)
    assert sorted(run.out.splitlines()) == [f"{rank} {ranks}" for rank in range(ranks)]


def test_all_draw_the_same_numbers():
    launch(DRAWS, 3, check=True)


def test_without_a_launcher_a_program_is_alone_and_mpi_is_not_imported():
    program = """
        import sys
        import nn
        processes = nn.distributed.start()
        print(processes.rank, processes.size, "mpi4py" in sys.modules)
    """
    run = launch(program, 1, launcher=[sys.executable], check=True)
    assert run.out.split() == ["0", "1", "False"]


def test_a_launcher_of_another_kind_is_told_from_a_program_alone():
    """As srun starts the processes where Slurm and this MPI do not know each other."""
    run = launch(
        "import nn; nn.distributed.start()",
        1,
        launcher=[sys.executable],
        environment={"SLURM_STEP_NUM_TASKS": "4"},
    )
    assert run.status == 1
    assert run.err.splitlines()[-1].startswith(
        "RuntimeError: nn.distributed: the launcher started 4 processes, but MPI ("
    )


@pytest.mark.parametrize("local", ["0", "1"])
def test_run_says_it_in_one_line_of_one_process_of_a_machine(local):
    program = """
        import nn
        raise SystemExit(nn.training.run(nn.distributed.start))
    """
    environment = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": local}
    run = launch(program, 1, launcher=[sys.executable], environment=environment)
    said = run.err.splitlines()
    assert run.status == 2
    assert [line[:44] for line in said] == (local == "0") * [
        "nn.distributed: the launcher started 4 proce"
    ]


def test_a_program_that_imported_mpi_itself_ends_well():
    program = """
        from mpi4py import MPI
        import nn
        processes = nn.distributed.start()
        assert processes.size == MPI.COMM_WORLD.Get_size() == 2
    """
    launch(program, 2, check=True)
