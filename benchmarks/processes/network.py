"""What a message costs: alpha seconds, and beta for each byte, fitted to messages to and fro.

    mpiexec -n 2 python benchmarks/processes/network.py

Then, by the usual formulas, how long the gradients of one step travel among P processes:

    free order    2 log2(P) alpha + 2 (P - 1) / P beta n      (reduce-scatter, all-gather by halves)
    fixed order   2 (P - 1) alpha + 2 (P - 1) / P beta n      (every process to every other)

Source: R. Thakur et al., Optimization of Collective Communication Operations in MPICH, 2005.
"""

import math
import time

import numpy as np

SIZES = [8, 64, 1024, 8192, 65_536, 262_144, 1_048_576, 4_194_304]  # bytes
REPEATS = 200  # of a small message; of a large one fewer
MODELS = {"mnist_convnet": 171_178 * 4, "char_gpt": 432_000 * 4, "100 million": 400_000_000}
PROCESSES = [2, 4, 16, 64, 256, 1024, 2048]


def seconds(size: int, repeats: int) -> float:
    """The median time of one message of this size, half of one there and back."""
    from mpi4py import MPI

    world, array = MPI.COMM_WORLD, np.zeros(size, np.uint8)
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        if world.rank == 0:
            world.Send(array, 1)
            world.Recv(array, 1)
        elif world.rank == 1:
            world.Recv(array, 0)
            world.Send(array, 0)
        found.append((time.perf_counter() - began) / 2)
    return float(np.median(found[repeats // 5 :]))


def fitted(times: "dict[int, float]") -> tuple[float, float]:
    """alpha and beta with the least sum of squared relative errors."""
    sizes, values = np.array([*times]), np.array([*times.values()])
    design = np.stack([1 / values, sizes / values], axis=1)
    alpha, beta = np.linalg.lstsq(design, np.ones(len(values)), rcond=None)[0]
    return max(float(alpha), 0.0), max(float(beta), 0.0)


def free_order(n: int, size: int, alpha: float, beta: float) -> float:
    return 2 * math.log2(size) * alpha + 2 * (size - 1) / size * beta * n


def fixed_order(n: int, size: int, alpha: float, beta: float) -> float:
    return 2 * (size - 1) * alpha + 2 * (size - 1) / size * beta * n


def speed_up(seconds: float, n: int, size: int, alpha: float, beta: float) -> float:
    """How many times faster P processes are, if a step takes one so long, and nothing overlaps."""
    return seconds / (seconds / size + free_order(n, size, alpha, beta))


def main() -> None:
    from mpi4py import MPI

    if MPI.COMM_WORLD.size < 2:
        raise SystemExit("network.py: expected two processes: mpiexec -n 2 python ...")
    times = {size: seconds(size, max(20, REPEATS * 8192 // max(size, 8192))) for size in SIZES}
    if MPI.COMM_WORLD.rank:
        return
    alpha, beta = fitted(times)
    for size, value in times.items():
        print(f"{size:>9,} bytes: {value * 1e6:9.1f} us")
    print(f"alpha {alpha * 1e6:.2f} us, beta {beta * 1e9:.3f} ns/byte ({1 / beta / 1e9:.1f} GB/s)")
    print(f"{'gradients':>14} {'bytes':>11} {'processes':>9} {'free':>12} {'fixed order':>12}")
    for name, n in MODELS.items():
        for size in PROCESSES:
            free, fixed = (f(n, size, alpha, beta) for f in (free_order, fixed_order))
            print(f"{name:>14} {n:>11,} {size:>9} {free * 1e3:>9.2f} ms {fixed * 1e3:>9.2f} ms")


if __name__ == "__main__":
    main()
