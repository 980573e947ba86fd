"""The last line of a parity run: operations, cases, disagreements."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # tiny tensors, and as many processes as there are cores


PARTS_OF_LONG_PROGRAMS = 4


def pytest_addoption(parser):
    parser.addoption(
        "--every-program", action="store_true", help="run all random programs with long values"
    )


def pytest_collection_modifyitems(config, items):
    """A plain run takes the first parts of the long programs; `make programs` takes all."""
    if config.getoption("every_program"):
        return
    left_out = [
        item
        for item in items
        if item.originalname == "test_random_long_programs"
        and item.callspec.params["part"] >= PARTS_OF_LONG_PROGRAMS
    ]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter):
    """Sums what the tests recorded, from all workers."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "parity" in report.keywords
    ]
    if not reports:
        return
    counts, operations = Counter(), set()
    for report in reports:
        for name, value in report.user_properties:
            if name == "operations":
                operations.update(value)
            elif name in ("programs", "steps"):
                counts[name] += value
    cases = len(reports) + counts["programs"]
    failed = sum(report.failed for report in reports)
    terminalreporter.write_sep(
        "=",
        f"beside PyTorch: {len(operations)} operations, {cases:,} cases (of them "
        f"{counts['programs']:,} random programs of {counts['steps']:,} steps), "
        f"{failed} disagreements",
    )
