"""Where a workload's step goes: the time of each operation, forward and backward, and of the rest.

    python benchmarks/profile_step.py mlp_step 128
    python benchmarks/profile_step.py gpt_step

An operation inside another (a rule that calls `apply`) counts for the outer one. The clock itself
costs about 0.2 us an operation, which small models feel. "engine" is what is in no operation: the
backward pass, the methods' checks, the modules, the data.
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
from tinygrad_lite.engine.function import Primitive

STEPS = 100


class Clock:
    """Adds up the time of functions by name; of nested ones only the outermost."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.inside = False

    def timed(self, function: Callable[..., Any], name: Callable[[Any], str]) -> Callable[..., Any]:
        """The function, whose time counts under the name that its first argument has."""

        def call(first: Any, *rest: Any, **options: Any) -> Any:
            if self.inside:
                return function(first, *rest, **options)
            self.inside = True
            began = time.perf_counter()
            try:
                return function(first, *rest, **options)
            finally:
                self.seconds[name(first)] += time.perf_counter() - began
                self.calls[name(first)] += 1
                self.inside = False

        return call


def profile(step: Callable[[], Any], steps: int) -> list[tuple[str, float, float]]:
    """Name, microseconds and calls a step of every operation, and of the whole, largest first."""
    clock = Clock()
    kinds = [Primitive]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        if "forward" in vars(kind):
            kind.forward = clock.timed(kind.forward, lambda op: f"{type(op).__name__} forward")
        if "backward" in vars(kind):
            kind.backward = clock.timed(kind.backward, lambda op: f"{type(op).__name__} backward")
    update = nn.optim.Optimizer.step
    nn.optim.Optimizer.step = clock.timed(update, lambda optimiser: "optimiser")
    for _ in range(10):
        step()
    clock.seconds.clear()
    clock.calls.clear()
    whole = []
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
