"""One test a row checks all of it, and says which part of it failed."""

from types import SimpleNamespace

import pytest
from every import every, naming


def test_a_row_is_checked_with_all_its_shapes_and_all_choices():
    checked = []
    rows = [SimpleNamespace(shapes=["()", "(2,)"]), SimpleNamespace(shapes=["(3,)"])]

    @every(rows, str, dtype=iter([int, float]))
    def test(row, variant, dtype):
        checked.append((variant, dtype))

    for row in rows:
        test(row)
    shapes = ("()", "(2,)", "(3,)")
    assert checked == [(shape, dtype) for shape in shapes for dtype in (int, float)]
    with pytest.raises(AssertionError, match="nothing would be checked"):
        test(SimpleNamespace(shapes=[]))


def test_a_failure_names_its_case_also_where_it_is_one_of_pytest():
    @every([], str, dtype=[int])
    def test(row, variant, dtype):
        with naming("a layout"):
            row.check()

    def nothing_raised():
        with pytest.raises(ValueError, match="never"):
            pass

    for check, kind in ((nothing_raised, pytest.fail.Exception), ([].pop, IndexError)):
        with pytest.raises(kind) as caught:
            test(SimpleNamespace(shapes=["(2,)"], check=check))
        assert caught.value.__notes__ == ["with a layout", "with (2,), <class 'int'>"]
