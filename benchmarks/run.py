"""Measure beside the peers: every workload, or those named. Writes benchmarks/RESULTS.md.

    python benchmarks/run.py [--quick] [--peers torch,jax] [--rounds N] [--threads N] [NAME...]

--quick runs one small round of each, compares the results, and judges no time: for CI.
--cpu-time --threads 1 measures how long a core worked for each side: on a machine that is busy.
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
import traceback
from importlib import import_module, metadata
from pathlib import Path

from pairing import CPU_TIME, PAUSE, ROUNDS, THREADS, Settings, Skipped, hold_to_threads
from results import Outcome, table

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
WORKLOADS = (
    "mlp_step",
    "example_step",
    "tiny_mlp",
    "tiny_mlp_sgd",
    "scalar_chain",
    "convnet_step",
    "gpt_step",
    "lstm_step",
    "adam_step",
    "mnist_seconds",
    "footprint",
    "steady_memory",
    "graph_order",
)
PACKAGES = ("numpy", "torch", "jax", "autograd", "mygrad", "micrograd", "tinygrad")


def machine(threads: int) -> list[str]:
    """What it ran on."""
    import threadpoolctl

    import tinygrad_lite

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(named, model).partition(":")[2].strip() or model
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    kernel = f", {blas[0]['internal_api']} {blas[0]['version']} in NumPy" if blas else ""
    load = ", ".join(f"{number:.2f}" for number in os.getloadavg())
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=FOLDER, capture_output=True, text=True
    ).stdout.strip()
    ours = f"tinygrad_lite {tinygrad_lite.__version__}" + (f" at {commit}" if commit else "")
    return [
        f"- {datetime.date.today()}, {model}, {os.cpu_count()} cores, {platform.platform()}",
        f"- Python {platform.python_version()}, {ours}; {', '.join(versions)}{kernel}",
        f"- threads a side: {threads}; load average before: {load}",
    ]


def section(title: str, outcome: Outcome) -> list[str]:
    """The lines on one workload: a table, and sentences."""
    lines = [f"## {title.removesuffix('.')}", ""]
    if outcome.rows:
        lines += [*table(outcome.rows), ""]
    sentences = [
        f"- {fact.text}" + (f" ({fact.verdict})" if fact.verdict else "") for fact in outcome.facts
    ]
    sentences += [f"- {note}" for note in dict.fromkeys(outcome.notes)]
    return [*lines, *sentences, ""] if sentences else lines


def main() -> int:
    """Run the workloads; status 1 if one broke."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="one small round, no time judged")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} if not given")
    parser.add_argument("--cpu-time", action="store_true", help="what the cores worked for a side")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"{THREADS} if not given")
    parser.add_argument("--peers", default="", help="only these: torch,torch.compile,jax,numpy,...")
    args = parser.parse_args()
    os.environ.pop("PYTHON", None)  # make's variable, which tinygrad takes for an option of its own
    if unknown := set(args.names) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    peers = tuple(args.peers.split(",")) if args.peers else ()
    settings = Settings(args.quick, 1 if args.quick else args.rounds, peers)

    hold_to_threads(args.threads)
    if args.cpu_time:
        os.environ[CPU_TIME] = "1"
    about, sections, outcomes, broken = machine(args.threads), [], [], []
    for name in args.names or WORKLOADS:
        began = time.perf_counter()
        outcome = Outcome()
        title = name
        try:
            workload = import_module(f"workloads.{name}")
            title = workload.__doc__.partition("\n")[0]
            outcome = workload.run(settings)
        except Skipped as reason:
            outcome.notes.append(f"skipped: {reason}")
        except Exception as error:
            traceback.print_exc()
            broken.append(name)
            outcome.notes.append(f"BROKEN: {type(error).__name__}: {error}")
        outcomes.append(outcome)
        sections += section(title, outcome)
        print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    verdicts = [row.verdict for outcome in outcomes for row in outcome.rows + outcome.facts]
    met = sum(verdict.count("met") for verdict in verdicts)
    missed = sum(verdict.count("missed") for verdict in verdicts)
    if args.quick:  # one round says nothing of speed
        notes = [f"- {note}" for outcome in outcomes for note in outcome.notes]
        rows = sum(len(outcome.rows) for outcome in outcomes)
        print("\n".join([*dict.fromkeys(notes), f"{rows} comparisons ran, {len(broken)} broke"]))
        return int(bool(broken))
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`. The sides run in turn in one run, a pause of {PAUSE} s and an",
        "untimed step before each block; the ratio is ours / peer within a round, its median and",
        "quartiles over the rounds. Below 1, ours is quicker. Where the time goes, and what was",
        "done about it, stands in [PROFILES.md](PROFILES.md).",
        "",
        *about,
        f"- targets: {met} met, {missed} missed" + (f"; BROKEN: {broken}" if broken else ""),
        "",
        *sections,
    ]
    print("\n".join(lines[7:]))
    usual = settings.rounds >= ROUNDS and args.threads == THREADS and not args.cpu_time
    if usual and not (broken or args.names or peers):
        from tinygrad_lite import files

        with files.replacing(RESULTS) as file:
            file.write(("\n".join(lines).rstrip() + "\n").encode())
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
