"""Where a workload's step goes: the time of each operation, forward and backward, and of the rest.

    python benchmarks/profile_step.py mlp_step 128
    python benchmarks/profile_step.py gpt_step

An operation inside another (a rule that calls `apply`) counts for the outer one. The clock itself
costs about a microsecond an operation, which small models feel. "engine" is what is in no
operation: the backward pass, the methods' checks, the modules, the data.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nn
from tinygrad_lite import Observer
from tinygrad_lite.engine.function import Primitive

STEPS = 100


class Clock(Observer):
    """Adds up the time of operations by name; of nested ones only the outermost."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.inside = False

    def timed(self, function: Callable[..., Any], name: str, *arguments: Any) -> Any:
        """What the function returns; its time counts under the name."""
        if self.inside:
            return function(*arguments)
        self.inside = True
        began = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.seconds[name] += time.perf_counter() - began
            self.calls[name] += 1
            self.inside = False

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        return self.timed(op.forward, f"{type(op).__name__} forward", *arrays)

    def backward(self, node: Any, gradient: Any) -> Any:
        if not isinstance(node, Primitive):
            return node.pull_back(gradient)
        return self.timed(node.pull_back, f"{type(node).__name__} backward", gradient)


def profile(step: Callable[[], Any], steps: int) -> list[tuple[str, float, float]]:
    """Name, microseconds and calls a step of every operation, and of the whole, largest first."""
    clock = Clock()
    update = nn.optim.Optimizer.step
    nn.optim.Optimizer.step = lambda optimiser: clock.timed(update, "optimiser", optimiser)
    whole = []
    with clock:
        for _ in range(10):
            step()
        clock.seconds.clear()
        clock.calls.clear()
        for _ in range(steps):
            began = time.perf_counter()
            step()
            whole.append(time.perf_counter() - began)
    scale = statistics.median(whole) / statistics.mean(whole)  # a slow step weighs no more
    rows = [
        (name, seconds / steps * scale * 1e6, clock.calls[name] / steps)
        for name, seconds in clock.seconds.items()
    ]
    total = statistics.median(whole) * 1e6
    rows.append(("engine", total - sum(row[1] for row in rows), 1.0))
    rows.sort(key=lambda row: -row[1])
    return [("the whole step", total, 1.0), *rows]


def main() -> int:
    """Print the table of one workload."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", help="a file of benchmarks/workloads, without .py")
    parser.add_argument("arguments", nargs="*", type=int, help="of its function ours()")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent / "workloads"))
    step, _ = import_module(args.workload).ours(*args.arguments)
    for name, microseconds, calls in profile(step, args.steps):
        print(f"{name:<28}{microseconds:>10.1f} us{calls:>8.1f} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main())
