"""One test checks many rows, and says which of them failed."""

import inspect
from types import SimpleNamespace

import pytest
from every import all_of, each, every, naming


def row(name, *shapes):
    return SimpleNamespace(name=name, shapes=shapes)


def groups_of(test):
    """The groups of rows that pytest would call it with."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return dict(zip(mark.kwargs["ids"], mark.args[1], strict=True))


def test_a_row_is_checked_with_all_its_shapes_and_all_choices():
    checked = []
    rows = [row("exp", "()", "(2,)"), row("log", "(4,)"), row("exp-long", "(3,)")]

    @every(rows, lambda row: row.name.split("-")[0], dtype=iter([int, float]))
    def test(row, variant, dtype):
        checked.append((variant, dtype))

    assert list(groups_of(test)) == ["exp", "log"]
    test(groups_of(test)["exp"])
    assert checked == [(shape, dtype) for shape in ("()", "(2,)", "(3,)") for dtype in (int, float)]
    with pytest.raises(AssertionError, match="none: nothing would be checked"):
        every([row("none")], lambda row: row.name)


def test_a_check_without_shapes_runs_once_for_each_row():
    checked = []

    @every([row("exp", "()", "(2,)"), row("exp-long", "(3,)")], lambda _: "exp")
    def test(row):
        checked.append(row.name)

    test(groups_of(test)["exp"])
    assert checked == ["exp", "exp-long"]


def test_a_failure_names_its_case_also_where_it_is_one_of_pytest():
    def nothing_raised():
        with pytest.raises(ValueError, match="never"):
            pass

    for check, kind in ((nothing_raised, pytest.fail.Exception), ([].pop, IndexError)):

        @every([row("exp", "(2,)")], lambda row: row.name, dtype=[int])
        def test(row, variant, dtype, check=check):
            with naming("a layout"):
                check()

        with pytest.raises(kind) as caught:
            test(groups_of(test)["exp"])
        assert caught.value.__notes__ == ["with a layout", "with exp, (2,), <class 'int'>"]


def test_all_that_fail_are_named_and_the_others_still_run():
    run = []

    @each(value=[1, 0, 2, -1], of=[len, lambda x: x])
    def test(fixture, value, of):
        run.append((fixture, value))
        assert value > 0 or of is len
        1 / value

    assert list(inspect.signature(test).parameters) == ["fixture"]
    with pytest.raises(BaseExceptionGroup, match="3 checks failed") as caught:
        test(fixture="f")
    assert run == [("f", value) for value in (1, 1, 0, 0, 2, 2, -1, -1)]
    assert [error.__notes__ for error in caught.value.exceptions] == [
        ["with value 1, 0, of 0, len"],
        ["with value 1, 0, of 1, <lambda>"],
        ["with value 3, -1, of 1, <lambda>"],
    ]


@pytest.mark.parametrize("choices", [{"dtype": []}, {"dtype": [int], "value": []}])
def test_no_combination_is_an_error(choices):
    said = f"^{', '.join(choices)}: nothing would be checked"
    with pytest.raises(AssertionError, match=said):
        each(**choices)
    with pytest.raises(AssertionError, match=said):
        every([row("exp", "()")], lambda row: row.name, **choices)


def test_a_skip_hides_no_error():
    def skipped():
        pytest.skip("no such dtype")

    with pytest.raises(BaseExceptionGroup, match="2 checks failed") as caught:
        all_of([("first", [].pop), ("second", skipped), ("third", int)])
    assert isinstance(caught.value.exceptions[0], IndexError)
    assert str(caught.value.exceptions[1]) == "with second: expected no skip; got no such dtype"


def test_ctrl_c_ends_all():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        all_of([("first", interrupted), ("second", pytest.fail)])
