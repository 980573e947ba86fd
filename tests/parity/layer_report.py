"""Prints the table of layers beside PyTorch's; the command stands in layer_cases.py."""

import argparse
import inspect
import statistics
import textwrap
from time import perf_counter

import numpy as np
import torch
from parity.layer_pair import array_of, differences, run_ours, run_theirs, with_equal_state
from test_structure import lines_of_code

import nn

ROUNDS = 30
SECONDS = 0.02  # of each library in a round, at least


def main(cases, timed):
    """Print a line for each layer, or for each timed case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="layers whose names begin so; default: all")
    parser.add_argument("--time", action="store_true", help="times beside PyTorch's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.time:
        for case in chosen(timed, options.names):
            print(f"{case.name:<60} {time_ratio(case):5.2f}")
        return
    print(f"{'layer':<28}{'lines':>6}{'cases':>7}{'largest difference':>20}{'second order':>15}")
    by_layer = {}
    for case in chosen(cases, options.names):
        by_layer.setdefault(case.name.split("(")[0], []).append(case)
    for name, found in by_layer.items():
        most = max(max(largest(case).values()) for case in found)
        second = sum(case.second for case in found)
        layer = getattr(nn, name, None)
        lines = lines_of_code(textwrap.dedent(inspect.getsource(layer))) if layer else ""
        print(f"{name:<28}{lines:>6}{len(found):>7}{most:>20.1e}{second:>9} cases")


def chosen(cases, names):
    """The cases whose layer's name begins with one of these."""
    return [case for case in cases if not names or case.name.startswith(tuple(names))]


def largest(case):
    """The larger of the differences in training and in evaluation."""
    modes = [False] if case.random else [False, True]
    found = [differences(case, "float64", mode) for mode in modes]
    return {what: max(each[what] for each in found) for what in found[0]}


def time_ratio(case):
    """Our time for forward and backward in float32 by PyTorch's: the median of rounds in turn."""
    steps = []
    args, call = case.leaves("float32")
    layers = with_equal_state(case, "float32")
    for layer, run in zip(layers, (run_ours, run_theirs), strict=True):
        steps.append(_step(layer, run, args, call))
    ratios = []
    for _ in range(ROUNDS):
        ours, theirs = (_time(step) for step in steps)
        ratios.append(ours / theirs)
    return statistics.median(ratios)


def _step(layer, run, args, call):
    """A function that calls the layer and runs the backward pass from all its float results."""
    first = run(layer, args, call)
    ends = [k for k, y in enumerate(first.results) if y is not None and y.requires_grad]
    weights = [np.ones_like(array_of(first.results[k])) for k in ends]
    convert = torch.tensor if run is run_theirs else type(first.results[ends[0]])
    weights = [convert(w) for w in weights]

    def step():
        done = run(layer, args, call)
        for k, weight in zip(ends, weights, strict=True):
            done.results[k].backward(weight, retain_graph=k != ends[-1])

    return step


def _time(step):
    """Seconds for one call, as the mean over SECONDS."""
    start, calls = perf_counter(), 0
    while not calls or perf_counter() - start < SECONDS:
        step()
        calls += 1
    return (perf_counter() - start) / calls
