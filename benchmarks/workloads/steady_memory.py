"""Steady memory: what a process holds after 100 training steps, and at most until 20,000.

A 64-128-10 network with Adam, batch 32: small, so that a kilobyte kept at each step would be seen.
"""

import resource
import sys
from pathlib import Path

import numpy as np
from pairing import Settings, in_a_process
from results import Fact, Outcome

STEPS, WARM = 20_000, 100
FLAT = 1.0  # MB by which it may grow: some pages here and there


def resident_memory() -> float:
    """What the process holds now, in MB; where the system does not tell, the most it ever held."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def readings(steps: int) -> list[float]:
    """The resident memory after 100 steps, and then after each hundred."""
    import nn
    from tinygrad_lite import Tensor

    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = nn.optim.Adam(nn.state.get_parameters(model))
    found = []
    for step in range(1, steps + 1):
        x, y = rng.standard_normal((32, 64), np.float32), rng.integers(10, size=32)
        loss = model(Tensor(x)).cross_entropy(y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % WARM == 0:
            found.append(resident_memory())
    return found


def run(settings: Settings) -> Outcome:
    steps = 500 if settings.quick else STEPS
    first, *later = in_a_process(readings, steps)
    growth = max(later) - first
    text = (
        f"{first:.1f} MB after {WARM} steps, {max(later):.1f} MB at most until step {steps:,}, "
        f"{later[-1]:.1f} MB at its end: grown by {growth:.2f} MB at most"
    )
    return Outcome(facts=[Fact(text, f"at most {FLAT:g} MB", growth <= FLAT)])
