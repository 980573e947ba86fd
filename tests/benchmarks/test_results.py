import pytest
from results import Fact, Outcome, amount, compared, table


def test_ratios_are_taken_within_a_round() -> None:
    # The machine was ten times slower in the second round, for both sides.
    measured = {"ours": [1.0, 10.0, 3.0], "peer": [2.0, 20.0, 3.0]}
    row = compared("step", measured, "ours", "peer")
    assert row.ratio == 0.5  # and not 3 / 3, the ratio of the medians
    assert (row.ours_median, row.peer_median, row.rounds) == (3.0, 3.0, 3)


def test_quartiles_of_the_ratios() -> None:
    measured = {"ours": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "peer": [1.0] * 7}
    row = compared("step", measured, "ours", "peer")
    assert (row.ratio, row.quartiles) == (4.0, (2.0, 6.0))


def test_one_round_is_enough_for_a_row() -> None:
    row = compared("step", {"ours": [3.0], "peer": [2.0]}, "ours", "peer")
    assert (row.ratio, row.quartiles, row.rounds) == (1.5, (1.5, 1.5), 1)


def test_sides_of_unequal_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        compared("step", {"ours": [1.0], "peer": [1.0, 2.0]}, "ours", "peer")


def test_every_target_has_its_verdict() -> None:
    measured = {"ours": [1.1], "peer": [1.0]}
    assert compared("step", measured, "ours", "peer").verdict == ""
    row = compared("step", measured, "ours", "peer", (1.25, 0.95))
    assert row.verdict == "<= 1.25: met, <= 0.95: missed"
    assert Fact("grown by 3 MB", "at most 1 MB", met=False).verdict == "at most 1 MB: missed"
    assert Fact("grown by 3 MB").verdict == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (7.0712, "s", "7.07 s"),
        (0.003744, "s", "3.74 ms"),
        (2.81e-05, "s", "28.1 us"),
        (4.9e-09, "s", "0.0049 us"),
        (214.4, "MB", "214 MB"),
    ],
)
def test_amounts_as_a_person_reads_them(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_the_table_is_markdown_and_aligned() -> None:
    rows = [
        compared("batch 128", {"ours": [0.003], "PyTorch": [0.004]}, "ours", "PyTorch", (0.75,)),
        compared("x", {"a": [200.0], "b": [100.0]}, "a", "b", unit="MB"),
    ]
    lines = table(rows)
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        *("batch 128", "PyTorch", "3 ms", "4 ms", "0.75", "0.75 to 0.75", "1"),
        "<= 0.75: met",
    ]
    assert "| 200 MB " in lines[3]


def test_outcomes_add_up() -> None:
    whole = Outcome(notes=["a"])
    whole.add(Outcome(facts=[Fact("f")], notes=["b"]))
    assert (whole.rows, whole.facts, whole.notes) == ([], [Fact("f")], ["a", "b"])
