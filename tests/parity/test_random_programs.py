"""Random programs: values, first and second gradients as PyTorch's (see programs.py).

`make programs` runs 10,000 of them, a thousand of these with long values; `make parity` a part.
"""

import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from parity import programs
from parity.programs import LONG_SHAPES, NAMES, ROW_STEPS, SHAPES, WIDTHS, Disagreement, Program

from tinygrad_lite.ops.convolution import Conv
from tinygrad_lite.ops.elementwise import Tanh
from tinygrad_lite.ops.indexing import Getitem
from tinygrad_lite.ops.reduce import Prod

pytestmark = [
    pytest.mark.parity,
    # A random program takes scores for probabilities, and the like.
    pytest.mark.filterwarnings("ignore::tinygrad_lite.TrainingWarning"),
]

PARTS, EXAMPLES, LONGEST = 36, 250, 30
LONG_PARTS, LONG_EXAMPLES = 40, 25  # conftest.py leaves most of these out of a plain parity run
DICE = st.integers(0, 2**32 - 1)


def programs_on(shapes, most_steps):
    return st.tuples(
        st.sampled_from(WIDTHS),
        st.lists(st.sampled_from(shapes), min_size=1, max_size=4),
        st.integers(1, most_steps).flatmap(
            lambda count: st.lists(
                st.tuples(st.sampled_from(NAMES), DICE), min_size=count, max_size=count
            )
        ),
        DICE,
    )


def made(drawn):
    width, shapes, steps, seed = drawn
    program = Program(width, shapes, seed)
    for name, dice in steps:
        program.add(name, dice)
    return program


def method_of(name):
    return ROW_STEPS[name].method if name in ROW_STEPS else name.removeprefix("drawn ")


def run_programs(drawn_programs, part, examples, record_property):
    counts = {"programs": 0, "steps": 0, "operations": set()}

    @hypothesis.seed(part)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(drawn_programs)
    def run(drawn):
        program = made(drawn)
        program.check_gradients()
        counts["programs"] += 1
        counts["steps"] += len(program.steps)
        counts["operations"] |= {method_of(step.name) for step in program.steps}

    run()
    for name, value in counts.items():
        record_property(name, sorted(value) if isinstance(value, set) else value)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part, record_property):
    run_programs(programs_on(SHAPES, LONGEST), part, EXAMPLES, record_property)


@pytest.mark.parametrize("part", range(LONG_PARTS))
def test_random_long_programs(part, record_property):
    run_programs(programs_on(LONG_SHAPES, 10), part, LONG_EXAMPLES, record_property)


def test_every_operation_is_among_the_steps():
    """Some steps do not fit the values there are; over the whole run each finds its place."""
    missing = set(NAMES)
    for round_number in range(8):
        for name in sorted(missing):
            program = Program("float64", SHAPES[1:9], round_number)
            program.add(name, round_number)
            missing -= {step.name for step in program.steps}
    assert not missing


@pytest.mark.parametrize("part", range(8))
def test_a_printed_program_runs(part):
    """The text alone, with nothing of the tests around it, computes and agrees."""
    program = Program("float64", [(2, 3), (3, 3), (4,)], part)
    for number, name in enumerate(sorted(set(NAMES))[part::8]):
        program.add(name, number)
    program.check_gradients()
    exec(compile(program.text(), "printed", "exec"), {"__name__": "printed"})


def wrong_value(x):
    return x.tanh() * 1.001


def wrong_gradient(x):
    return x * x.detach()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [(wrong_value, "value of v2"), (wrong_gradient, "gradient of v1")],
    ids=["value", "gradient"],
)
def test_a_planted_disagreement_is_printed_as_a_program_that_shows_it(
    wrong, what, monkeypatch, tmp_path
):
    right = {wrong_value: lambda x: x.tanh(), wrong_gradient: lambda x: x * x}[wrong]
    monkeypatch.setitem(programs.OURS, "drawn tanh", right)
    monkeypatch.setitem(programs.THEIRS, "drawn tanh", wrong)
    monkeypatch.setitem(programs.CALLS, "drawn tanh", (right, wrong))
    with pytest.raises(Disagreement) as caught:
        made(
            ("float64", [(2, 3)], [("drawn square", 3), ("drawn tanh", 0), ("drawn sum", 1)], 5)
        ).check_gradients()
    why, text = str(caught.value).split("\n\nThe program, to be run as it is:\n\n")
    assert what in why
    file = tmp_path / "pasted.py"
    file.write_text(text)
    run = subprocess.run(
        [sys.executable, file],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "AssertionError: \nNot equal to tolerance" in run.stderr
    assert what in run.stderr
    repaired = text.replace("x.tanh() * 1.001", "x.tanh()").replace("x * x.detach()", "x * x")
    assert repaired != text
    exec(compile(repaired, "repaired", "exec"), {"__name__": "repaired"})


@pytest.mark.parametrize("rule", [Tanh, Prod, Getitem, Conv], ids=lambda rule: rule.__name__)
def test_a_planted_fault_in_a_rule_is_found(rule, monkeypatch):
    """One gradient in a thousand too large, in one rule: some programs see it."""
    right = rule.backward

    def wrong(self, *arguments):
        return tuple(g if g is None else g * 1.001 for g in right(self, *arguments))

    monkeypatch.setattr(rule, "backward", wrong)
    seen = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        steps = [(NAMES[rng.integers(len(NAMES))], int(rng.integers(2**32))) for _ in range(15)]
        try:
            made(("float64", [(2, 3), (3, 1), (2, 2, 2)], steps, seed)).check_gradients()
        except Disagreement:
            seen += 1
            if seen == 2:
                return
    raise AssertionError(f"{rule.__name__} could be wrong unseen")
