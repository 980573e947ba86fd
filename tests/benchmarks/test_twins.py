"""The runner of the twins: what it reads, and the table that it makes of it."""

from pathlib import Path

import pytest
from twins.__main__ import (
    EXAMPLES,
    TWINS,
    Broke,
    Ended,
    Row,
    in_words,
    last_line,
    quick_options,
    ratio,
    table,
    target_of,
)


def ended(accuracy: float, seconds: float, status: int = 0) -> Ended:
    return Ended("MNIST", f"test accuracy {accuracy} % of 10000", seconds, status)


def test_the_last_line_is_read_and_what_is_none_is_an_error():
    printed = "epoch 1: loss 0.5\ndocumentation: 2.31 bits, 1.25 below a model's 3.56, in 61.5 s\n"
    found = last_line("char_gpt", printed, 1)
    assert found == Ended("documentation", "2.31 bits, 1.25 below a model's 3.56", 61.5, 1)
    for text, status in (("loss 0.5\n", 0), ("", 0), (printed, 2), (printed, -9)):
        with pytest.raises(Broke, match=f"char_gpt: status {status}, ended with: "):
            last_line("char_gpt", text, status)


def test_words_that_all_seeds_share_are_told_once():
    runs = [ended(99.51, 1.0), ended(99.6, 2.0), ended(99.51, 3.0)]
    assert in_words(runs) == "MNIST: test accuracy 99.51, 99.6, 99.51 % of 10000"
    assert in_words(runs[:1]) == "MNIST: test accuracy 99.51 % of 10000"
    assert in_words([runs[0], Ended("digits", "3", 1.0)]) == (
        "MNIST: test accuracy 99.51 % of 10000; digits: 3"
    )
    assert in_words([]) == "-"


def test_the_ratio_is_the_median_of_those_of_each_seed():
    ours = [ended(1, 1.0), ended(1, 4.0), ended(1, 9.0)]
    assert ratio(ours, [ended(1, 1.0), ended(1, 2.0), ended(1, 3.0)]) == 2.0


def test_a_row_says_what_missed_and_what_has_no_twin():
    header, line, row, alone = table(
        [
            Row("mnist_mlp", [ended(98.0, 2.0), ended(9.0, 2.0, 1)], [ended(98.0, 1.0)] * 2),
            Row("mnist_mlp", [ended(98.0, 2.0)]),
        ]
    )
    assert len({len(each) for each in (header, line, row, alone)}) == 1
    assert "| 97.87" in row
    assert "98.0, 9.0 % of 10000; MISSED by 1 " in row
    assert row.endswith("| 2.00  |")
    assert [cell.strip() for cell in alone.split("|")][5:9] == ["-", "2.0", "-", "-"]


def test_a_target_is_read_off_the_source():
    assert target_of("TARGET = 1.2  # bits\n") == "1.2"
    assert target_of("def TARGET(): ...\n") == "-"


@pytest.mark.skipif(not (EXAMPLES.parent / ".ci").exists(), reason="a source archive has no .ci")
@pytest.mark.parametrize("twin", sorted(TWINS.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_twin_belongs_to_an_example_and_takes_the_options_of_the_runner(twin: Path):
    assert (EXAMPLES / twin.name).exists()
    source = twin.read_text(encoding="utf-8")
    assert '"--seed"' in source
    assert '"--epochs"' in source
    assert quick_options(twin.stem)[-2:] == ["--epochs", "1"]
