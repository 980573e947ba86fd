"""A mistake is told once for each line of the user's, and filters are obeyed."""

import threading
import warnings

import pytest

import tinygrad_lite
from tinygrad_lite import TrainingWarning, mistakes


def mistake(text="wrong; write it otherwise"):
    mistakes.tell(text)


def collected(run):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run()
    return [(one.category, str(one.message)) for one in found]


def test_a_line_is_told_once_whatever_the_text_says():
    def run():
        for number in range(5):
            mistake(f"text {number}")

    expected = [(TrainingWarning, "text 0")]
    assert collected(run) == expected
    assert collected(run) == expected  # another audience has heard nothing yet


def test_other_lines_are_told_too():
    def run():
        mistakes.tell("one")
        mistakes.tell("two")

    assert [text for _, text in collected(run)] == ["one", "two"]


def test_it_names_the_users_file_and_line():
    with pytest.warns(TrainingWarning, match="^wrong") as found:
        mistake()
    assert found[0].filename == __file__
    with open(__file__) as source:
        assert source.read().splitlines()[found[0].lineno - 1].strip() == "mistakes.tell(text)"


def test_an_error_filter_raises_each_time_and_an_ignored_line_is_not_used_up():
    def run():
        mistake()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            silent()
        silent()
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("error", TrainingWarning)
                with pytest.raises(TrainingWarning, match="wrong"):
                    mistake()

    def silent():
        mistakes.tell("silent at first")

    assert [text for _, text in collected(run)] == ["wrong; write it otherwise", "silent at first"]


def test_filters_by_text_module_and_category_decide():
    for filters in ({"message": "wro"}, {"module": __name__}, {"category": UserWarning}):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", **filters)
            mistake()
        assert not found
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message="other")
        mistake()
    assert len(found) == 1


def test_what_is_run_as_text_has_lines_of_its_own():
    def run():
        for text in ("one", "two", "one"):
            exec(f"mistakes.tell({text!r})", {"mistakes": mistakes, "__name__": "__main__"})

    assert [text for _, text in collected(run)] == ["one", "two"]


def test_threads_tell_a_line_once():
    def run():
        start = threading.Barrier(8)

        def work():
            start.wait()
            for _ in range(50):
                mistake()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert len(collected(run)) == 1


def test_the_category_is_public_and_a_text_is_asked_for():
    assert issubclass(tinygrad_lite.TrainingWarning, UserWarning)
    with pytest.raises(TypeError, match="tell: message: expected text; got 3"):
        mistakes.tell(3)
