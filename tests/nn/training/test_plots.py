"""What the pictures show: the points of the curves, the numbers of the fields, the pixels."""

import gc
import io
import logging
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

from nn.training import Metrics, confusion, curves, figure, filters, mistakes, samples
from tinygrad_lite import Tensor

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.image import imread  # noqa: E402


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def drawn(figure: Figure) -> str:
    """All text in a picture, after it has been drawn."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


# Curves.


@pytest.fixture
def metrics() -> Metrics:
    found = Metrics()
    for step in (10, 20, 30, 40):
        found.add("step", step=step, loss=8 / step, train_accuracy=step / 50, lr=0.1, seconds=1.5)
        if step % 20 == 0:
            found.add("epoch", epoch=step // 20, held_out_loss=1.0, held_out_accuracy=step / 100)
    return found


def points(axes) -> dict[str, list[tuple[float, float]]]:
    """The points of each curve, by its name in the legend."""
    legend = axes.get_legend()
    labels = [text.get_text() for text in legend.get_texts()] if legend else [""]
    assert len(labels) == len(axes.lines)
    return {
        label: list(zip(*map(np.ndarray.tolist, line.get_data()), strict=True))
        for label, line in zip(labels, axes.lines, strict=True)
    }


def test_a_panel_for_each_quantity_with_the_points_of_its_records(metrics):
    loss, accuracy, rate = curves(metrics).axes
    assert [axes.get_title() for axes in (loss, accuracy, rate)] == [
        "loss",
        "accuracy",
        "learning rate",
    ]
    assert {axes.get_xlabel() for axes in (loss, accuracy, rate)} == {"step"}
    assert points(loss) == {
        "step": [(10, 0.8), (20, 0.4), (30, 8 / 30), (40, 0.2)],
        "held out, epoch": [(20, 1.0), (40, 1.0)],  # at the last step before it
    }
    assert loss.get_yscale() == "log"
    assert points(accuracy) == {
        "train, step": [(10, 20.0), (20, 40.0), (30, 60.0), (40, 80.0)],
        "held out, epoch": [(20, 20.0), (40, 40.0)],
    }
    assert accuracy.get_ylabel() == "%"
    assert accuracy.get_yscale() == rate.get_yscale() == "linear"
    assert accuracy.get_ylim()[0] < 20 < 80 < accuracy.get_ylim()[1]
    assert points(rate) == {"": [(10, 0.1), (20, 0.1), (30, 0.1), (40, 0.1)]}
    colours = [line.get_color() for line in loss.lines]
    assert len(set(colours)) == 2


def test_of_a_few_percents_none_lies_outside():
    few, many = Metrics(), Metrics()
    for step in range(200):
        many.add("step", step=step, accuracy=0.1 if step < 3 else 0.9 + step / 10_000)
        if step % 20 == 0:
            few.add("epoch", step=step, held_out_accuracy=0.78 if not step else 0.97)
    for metrics, inside in ((few, True), (many, False)):
        (axes,) = curves(metrics).axes
        assert (axes.get_ylim()[0] < axes.lines[0].get_ydata().min()) == inside


def test_names_choose(metrics):
    (seconds, rate) = curves(metrics, names=["seconds", "lr"]).axes[::-1]
    assert seconds.get_title() == "seconds"
    assert rate.get_title() == "learning rate"
    with pytest.raises(ValueError, match=r"no record has numbers called 'los'; there are epoch, h"):
        curves(metrics, names=["los"])
    with pytest.raises(TypeError, match=r"^curves: names: expected a list of names; got 'loss'"):
        curves(metrics, names="loss")


@pytest.mark.parametrize("loss", [0.0, -1.0, 1e-320])
def test_a_loss_that_no_logarithmic_axis_can_show_has_a_linear_axis(loss):
    metrics = Metrics()
    metrics.add("step", step=1, loss=loss)
    metrics.add("step", step=2, loss=3.0)
    figure = curves(metrics)
    assert figure.axes[0].get_yscale() == "linear"
    drawn(figure)


def test_the_axis_is_the_step_else_the_epoch_else_the_number_of_the_record():
    metrics = Metrics()
    metrics.add("a", perplexity=9.0)
    metrics.add("b", perplexity=8.0)
    (axes,) = curves(metrics).axes
    assert axes.get_xlabel() == "record"
    assert points(axes) == {"a": [(1, 9.0)], "b": [(2, 8.0)]}
    metrics.add("c", epoch=0.5, grad_norm=1)
    metrics.add("d", grad_norm=2)
    _, axes = curves(metrics).axes
    assert axes.get_xlabel() == "epoch"
    assert axes.get_title() == "grad norm"
    assert points(axes) == {"c": [(0.5, 1)], "d": [(0.5, 2)]}


def test_steps_are_whole_also_of_a_single_record():
    metrics = Metrics()
    metrics.add("epoch", step=11, loss=5.0)
    (axes,) = curves(metrics).axes
    assert [tick for tick in axes.get_xticks() if tick % 1] == []


def test_gaps_and_what_is_no_number():
    metrics = Metrics()
    for step, loss in enumerate([1.0, float("nan"), 3.0, 1e308]):
        metrics.add("step", step=step, loss=loss, never=None, text="a", ok=True, each=[1, 2])
    figure = curves(metrics)
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, np.nan, 3.0, np.nan])
    drawn(figure)


def test_many_records_are_averaged():
    metrics = Metrics()
    for step in range(5001):
        metrics.add("step", step=step, loss=2.0 if step % 2 else 4.0)
    (axes,) = curves(metrics).axes
    x, y = axes.lines[0].get_data()
    assert 1000 < len(x) <= 2000
    assert x[0] == 1.0  # of steps 0, 1, 2
    assert y[0] == pytest.approx(10 / 3)
    assert y.mean() == pytest.approx(3, abs=0.01)


def test_a_growing_file_and_an_empty_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    assert "no numbers yet" in drawn(curves(metrics))
    metrics.add("step", step=1, loss=0.5)
    with open(path, "ab") as file:
        file.write(b'{"kind": "step", "step"')
    (axes,) = curves(Metrics.read(path)).axes
    assert points(axes) == {"": [(1, 0.5)]}
    with pytest.raises(TypeError, match=r"expected a Metrics, or what Metrics\.read\(path\) gives"):
        curves(path)


def test_more_quantities_than_there_is_room_for():
    metrics = Metrics()
    metrics.add("step", step=1, **{f"norm{number}": number for number in range(30)})
    figure = curves(metrics)
    assert len(figure.axes) == 24
    assert "6 quantities more" in figure.get_suptitle()


def test_names_that_matplotlib_would_read_as_formulas_or_hide():
    metrics = Metrics()
    metrics.add("$\\frac", step=1, **{"_loss": 1.0, "$x^$": 2.0, "loss": 0.5, "損失": 1.0})
    text = drawn(curves(metrics))
    assert "$\\frac" in text
    assert "$x^$" in text
    assert "□□" in text  # no warning about glyphs


# Confusion.

LABELS = [0, 0, 0, 1, 1, 2, 2, 2, 2]
ANSWERS = [0, 0, 2, 1, 0, 2, 2, 2, 1]
COUNTED = [[2, 0, 1], [1, 1, 0], [0, 1, 3]]  # by hand


def fields(axes, size: int) -> list[list[int]]:
    found = [[0] * size for _ in range(size)]
    for text in axes.texts:
        column, row = text.get_position()
        found[row][column] = int(text.get_text())
    return found


@pytest.mark.parametrize("kind", [list, np.array, Tensor, np.uint8])
def test_the_fields_are_a_hand_count(kind):
    (axes,) = confusion(kind(LABELS), kind(ANSWERS)).axes
    assert fields(axes, 3) == COUNTED
    assert "0" not in texts(axes)
    colours = {text.get_position(): text.get_color() for text in axes.texts}
    assert (colours[0, 0], colours[1, 2]) == ("white", "black")  # on dark, on light
    assert axes.get_title() == "9 answers, 66.67 % right"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer", "true class")
    expected = [[2 / 3, 0, 1 / 3], [0.5, 0.5, 0], [0, 0.25, 0.75]]
    np.testing.assert_allclose(axes.images[0].get_array(), expected)


def test_two_classes_may_be_false_and_true():
    (axes,) = confusion(np.array([True, False]), np.array([True, True])).axes
    assert fields(axes, 2) == [[0, 1], [0, 1]]


def test_class_names_also_of_classes_that_did_not_occur():
    figure = confusion(LABELS, ANSWERS, names=["cat", "dog", "a long name of a bird", "$%"])
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["cat", "dog", "a long name of a bird", "$%"]
    assert names == [text.get_text() for text in axes.get_yticklabels()]
    assert axes.images[0].get_array().shape == (4, 4)
    drawn(figure)


def test_many_classes_have_colours_but_no_numbers():
    labels = np.arange(300)
    axes, bar = confusion(labels, labels[::-1]).axes
    assert axes.images[0].get_array().shape == (300, 300)
    assert np.array_equal(axes.images[0].get_array(), np.eye(300)[::-1])
    assert texts(axes) == []
    assert bar.get_ylabel() == "of the true class"


def test_no_answers():
    (axes,) = confusion([], [], names=["a", "b"]).axes
    assert axes.get_title() == "0 answers"
    (axes,) = confusion(np.zeros(0, int), np.zeros(0, int)).axes
    assert texts(axes) == []


@pytest.mark.parametrize(
    ("labels", "answers", "said"),
    [
        ([0, 1], [0], "expected an answer for each label; got 1 for 2"),
        ([0, -1], [0, 1], "labels: expected classes from 0 to 1999; got -1 to 0"),
        ([0, 1], [0, 10**9], "answers: expected classes from 0"),
        ([0, 1], [0.5, 1], "answers: expected integers"),
        ([0, 1], np.eye(2, dtype=int), r"answers: expected one class a row.*take scores.argmax"),
        ([0, 1], [[0], [1]], r"answers: expected one class a row.*take \[:, 0\]"),
        ([0, 1], np.ones((2, 3)), r"answers: expected one class a row.*take scores.argmax"),
        ([[0], [0, 1]], [0, 1], r"labels: expected an array of numbers; got \[\[0\], \[0, 1\]\]"),
        (None, [0], "labels: expected an array of numbers; got None"),
        (["cat"], ["dog"], "labels: expected an array of numbers"),
        (3, 3, "labels: expected one class a row"),
    ],
)
def test_what_is_no_class_is_one_line(labels, answers, said):
    with pytest.raises((TypeError, ValueError), match=rf"^confusion: {said}"):
        confusion(labels, answers)


def test_too_few_names_are_one_line():
    with pytest.raises(ValueError, match="expected names of at least 3 classes; got 2"):
        confusion(LABELS, ANSWERS, names=["a", "b"])
    with pytest.raises(TypeError, match="names: expected a list of names; got 'abc'"):
        confusion(LABELS, ANSWERS, names="abc")


# Mistakes.

IMAGES = np.arange(5 * 4, dtype=np.uint8).reshape(5, 1, 2, 2) * 10
TRUE = np.array([0, 1, 2, 0, 1])
SCORES = np.array([[5, 0, 0], [1, 0, 0], [9, 0, 0], [0, 2, 0], [0, 5, 0]], np.float32)
# Row 0 and 4 are right. Worst first: row 2 (2 read as 0), row 3 (0 read as 1), row 1 (1 as 0).


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_the_worst_mistakes_come_first(kind):
    figure = mistakes(kind(IMAGES), kind(TRUE), kind(SCORES))
    assert figure.get_suptitle() == "all 3 mistakes among 5 images"
    assert [axes.get_title() for axes in figure.axes] == [
        "2, read as 0\n(100 % sure)",
        "0, read as 1\n(79 % sure)",
        "1, read as 0\n(58 % sure)",
    ]
    for axes, index in zip(figure.axes, [2, 3, 1], strict=True):
        np.testing.assert_allclose(axes.images[0].get_array() * IMAGES.max(), IMAGES[index, 0])


def test_probabilities_are_taken_as_they_are():
    shares = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    logits, given = mistakes(IMAGES, TRUE, SCORES), mistakes(IMAGES, TRUE, shares)
    assert [axes.get_title() for axes in logits.axes] == [axes.get_title() for axes in given.axes]


def test_at_most_so_many_with_names():
    figure = mistakes(IMAGES, TRUE, SCORES, most=2, names=["airplane", "truck", "$bird"])
    assert figure.get_suptitle() == "the 2 worst of 3 mistakes among 5 images"
    assert [axes.get_title() for axes in figure.axes] == [
        "$bird\nread as airplane\n(100 % sure)",
        "airplane\nread as truck\n(79 % sure)",
    ]
    drawn(figure)
    one = mistakes(IMAGES[:2], TRUE[:2], SCORES[:2])
    assert one.get_suptitle() == "the only mistake among 2 images"


def test_no_mistakes_and_no_images():
    assert "no mistakes among 2 images" in drawn(
        mistakes(IMAGES[[0, 4]], TRUE[[0, 4]], SCORES[[0, 4]])
    )
    assert "no mistakes among 1 image" in drawn(mistakes(IMAGES[:1], TRUE[:1], SCORES[:1]))
    assert "no images" in drawn(mistakes(IMAGES[:0], TRUE[:0], SCORES[:0]))


def test_colours_floats_and_normalised_images():
    wrong = (TRUE[2:3], SCORES[2:3])
    colours = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2) * 20
    (axes,) = mistakes(colours, *wrong).axes
    np.testing.assert_allclose(axes.images[0].get_array() * 220, colours[0].transpose(1, 2, 0))
    shares = np.array([[[0.25, 0.5], [0.5, 0.75]]])
    (axes,) = mistakes(shares, *wrong).axes
    np.testing.assert_allclose(axes.images[0].get_array(), shares[0])
    (axes,) = mistakes(shares * 8 - 4, *wrong).axes  # -2 to 2
    np.testing.assert_allclose(axes.images[0].get_array(), [[0, 0.5], [0.5, 1]])
    (axes,) = mistakes(np.full((1, 2, 2), np.nan), *wrong).axes
    np.testing.assert_allclose(axes.images[0].get_array(), 0)


def test_bytes_are_drawn_up_to_the_highest_of_all_images():
    digits = np.array([[[16, 0]], [[8, 4]], [[2, 0]]], np.uint8)  # the first is no mistake
    axes = mistakes(digits, TRUE[:3], SCORES[:3]).axes
    shown = [np.asarray(each.images[0].get_array()) for each in axes]
    np.testing.assert_array_equal(shown, [[[0.125, 0]], [[0.5, 0.25]]])
    (axes,) = mistakes(np.zeros((1, 2, 2), np.uint8), TRUE[2:3], SCORES[2:3]).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), 0)


def test_digits_are_ink_on_paper_and_photographs_are_not():
    wrong = (TRUE[2:3], SCORES[2:3])
    digit = np.zeros((1, 9, 9), np.uint8)
    digit[0, 4] = 255
    assert mistakes(digit, *wrong).axes[0].images[0].cmap.name == "gray_r"
    assert mistakes(255 - digit, *wrong).axes[0].images[0].cmap.name == "gray"


def test_a_model_that_knows_nothing_any_more_is_drawn():
    scores = np.full((2, 3), np.nan)
    figure = mistakes(IMAGES[:2], np.array([1, 2]), scores)
    assert [axes.get_title() for axes in figure.axes] == [
        "1, read as 0\n(sure of nothing)",
        "2, read as 0\n(sure of nothing)",
    ]
    scores = np.array([[np.inf, 0, 0], [-np.inf, -np.inf, -np.inf]])
    assert len(mistakes(IMAGES[:2], np.array([1, 2]), scores).axes) == 2


@pytest.mark.parametrize(
    ("images", "labels", "scores", "said"),
    [
        (IMAGES[:4], TRUE, SCORES, "expected 5 images, one a label; got 4"),
        (IMAGES, TRUE, SCORES[:4], "expected 5 rows of scores; got 4"),
        (IMAGES, TRUE, SCORES[:, :2], "label 2, but the scores are of 2 classes"),
        (IMAGES, TRUE, SCORES.argmax(axis=1), r"expected scores \(N, classes\); got shape \(5,\)"),
        (IMAGES.reshape(5, 4), TRUE, SCORES, r"expected images \(N, h, w\), .*got shape \(5, 4\)"),
        (IMAGES[..., :0], TRUE, SCORES, r"expected images .*got shape \(5, 1, 2, 0\)"),
        (IMAGES.reshape(5, 2, 2, 1), TRUE, SCORES, r"expected images .*got shape \(5, 2, 2, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(images, labels, scores, said):
    with pytest.raises(ValueError, match=rf"^mistakes: {said}"):
        mistakes(images, labels, scores)


# Filters.


def tile(figure: Figure, top: int, left: int, height: int, width: int) -> np.ndarray:
    sheet = figure.axes[0].images[0].get_array()
    return np.asarray(sheet)[top : top + height, left : left + width]


def test_rows_of_a_linear_layer_are_images_of_one_scale():
    weights = np.random.default_rng(0).normal(size=(5, 12 * 12)).astype(np.float32)
    figure = filters(Tensor(weights))
    for number, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        found = tile(figure, 13 * row, 13 * column, 12, 12)
        np.testing.assert_allclose(found, weights[number].reshape(12, 12))
    image = figure.axes[0].images[0]
    assert image.get_clim() == pytest.approx((-abs(weights).max(), abs(weights).max()))
    assert figure.axes[0].get_title() == "5 filters, 12x12"
    drawn(figure)


def test_a_shape_that_is_not_square():
    weights = np.arange(2 * 6.0).reshape(2, 6)
    figure = filters(weights, shape=(2, 3))
    np.testing.assert_allclose(tile(figure, 0, 4, 2, 3), weights[1].reshape(2, 3))
    with pytest.raises(ValueError, match=r"6 inputs are no square image; give shape=\(h, w\)"):
        filters(weights)
    with pytest.raises(ValueError, match=r"expected shape=.* of 6 inputs; got \(4, 2\)"):
        filters(weights, shape=(4, 2))


def test_three_channels_are_colours_around_grey():
    weights = np.zeros((1, 3, 2, 2))
    weights[0, 0, 0, 0], weights[0, 2, 1, 1] = 2.0, -1.0
    for given in (filters(weights), filters(weights.reshape(1, 12))):
        found = tile(given, 0, 0, 2, 2)
        np.testing.assert_allclose(found[0, 0], [1.0, 0.5, 0.5])
        np.testing.assert_allclose(found[1, 1], [0.5, 0.5, 0.25])
        assert given.axes[0].get_title() == "1 filter, 2x2"


def test_a_convolution_of_many_channels_has_a_row_for_each_filter():
    weights = np.arange(2 * 5 * 9.0).reshape(2, 5, 3, 3)
    figure = filters(weights)
    np.testing.assert_allclose(tile(figure, 4, 8, 3, 3), weights[1, 2])
    assert figure.axes[0].get_title() == "2 filters of 5 channels, 3x3"


def test_wide_filters_stand_above_each_other():
    weights = np.arange(4 * 2 * 8.0).reshape(4, 1, 2, 8)
    np.testing.assert_allclose(tile(filters(weights), 9, 0, 2, 8), weights[3, 0])


def test_the_first_of_many_and_none():
    weights = np.ones((300, 1, 3, 3))
    assert filters(weights, most=9).axes[0].get_title() == "the first 9 of 300 filters, 3x3"
    assert filters(weights * np.nan).axes[0].images
    assert filters(weights * 0).axes[0].images[0].get_clim() == (-1, 1)
    assert "no filters" in drawn(filters(weights[:0]))
    with pytest.raises(ValueError, match="most: expected an integer of 1 or more"):
        filters(weights, most=0)
    with pytest.raises(
        ValueError, match=r"^filters: expected weights \(out, in\).*got shape \(3,\)"
    ):
        filters(np.zeros(3))


# Samples.


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_images_fill_the_rows_one_after_the_other(kind):
    images = np.random.default_rng(0).random((6, 1, 12, 12))
    figure = samples(kind(images), columns=3)
    for number in range(6):
        found = tile(figure, 13 * (number // 3), 13 * (number % 3), 12, 12)
        np.testing.assert_allclose(found, images[number, 0])
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    assert sheet.shape == (2 * 13 - 1, 3 * 13 - 1)
    np.testing.assert_allclose(sheet[12], 0.8)  # the line between two rows
    assert figure.axes[0].get_title() == "6 images"
    drawn(figure)


def test_the_grid_is_about_square_unless_told():
    shapes = [
        np.asarray(samples(np.ones((count, *size))).axes[0].images[0].get_array()).shape
        for count, size in ((9, (2, 2)), (10, (2, 2)), (16, (2, 8)), (1, (3, 3)))
    ]
    assert shapes == [(8, 8), (11, 8), (23, 17), (3, 3)]


def test_samples_are_drawn_as_mistakes_are():
    bytes_ = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    np.testing.assert_allclose(tile(samples(bytes_), 0, 0, 2, 2) * 7, bytes_[0])
    np.testing.assert_allclose(tile(samples(bytes_ / 10), 0, 0, 2, 2) * 10, bytes_[0])
    np.testing.assert_allclose(tile(samples(bytes_ - 4.0), 0, 0, 2, 2) * 7, bytes_[0])
    digit = np.zeros((1, 9, 9))
    digit[0, 4] = 1
    assert samples(digit).axes[0].images[0].cmap.name == "gray_r"
    assert samples(1 - digit).axes[0].images[0].cmap.name == "gray"
    digit[0, :, 2:7] = 1  # it fills half of the image
    assert samples(digit).axes[0].images[0].cmap.name == "gray_r"
    colours = np.arange(24.0).reshape(2, 3, 2, 2) / 24
    np.testing.assert_allclose(tile(samples(colours), 0, 0, 2, 2), colours[0].transpose(1, 2, 0))
    assert samples(np.full((2, 2, 2), np.nan)).axes[0].images


def test_the_first_of_many_samples_a_title_and_none(tmp_path):
    images = np.ones((30, 4, 4))
    assert samples(images, most=9).axes[0].get_title() == "the first 9 of 30 images"
    figure = samples(images, tmp_path / "samples.png", title="above: $x^$; below: 損失")
    assert "above: $x^$; below: □□" in drawn(figure)
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert "no images" in drawn(samples(images[:0]))
    for wrong in ({"most": 0}, {"columns": 0}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"^samples: {name}: expected an integer of 1 or more"):
            samples(images, **wrong)
    with pytest.raises(ValueError, match=r"^samples: expected images .*; got shape \(30, 16\)"):
        samples(images.reshape(30, 16))


# All of them.


def test_the_file_is_what_its_ending_says(metrics, tmp_path):
    figure = curves(metrics, tmp_path / "curves.png")
    assert isinstance(figure, Figure)
    height, width, _ = imread(tmp_path / "curves.png").shape
    assert width == 150 * figure.get_figwidth()
    assert height == 150 * figure.get_figheight()
    curves(metrics, str(tmp_path / "no ending"))
    assert (tmp_path / "no ending").read_bytes().startswith(b"\x89PNG")
    curves(metrics, tmp_path / "curves.svg", names=["lr"])
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    confusion(LABELS, ANSWERS, tmp_path / "confusion.PDF")
    assert (tmp_path / "confusion.PDF").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"ends in \.png, \.pdf, \.svg; got 'curves\.txt'"):
        curves(metrics, tmp_path / "curves.txt")
    with pytest.raises(FileNotFoundError, match="confusion: its folder does not exist"):
        confusion(LABELS, ANSWERS, tmp_path / "none" / "confusion.png")
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_stays_when_the_arrays_do_not_fit(tmp_path):
    path = tmp_path / "confusion.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="confusion"):
        confusion([0, 1], [0], path)
    assert path.read_bytes() == b"old"


def test_it_shows_itself_in_a_notebook(metrics):
    assert confusion(LABELS, ANSWERS)._repr_png_().startswith(b"\x89PNG")


def test_nothing_of_the_users_matplotlib_changes(tmp_path):
    code = """
        import logging, sys
        from nn.training import Metrics, confusion, curves
        assert "matplotlib" not in sys.modules
        import matplotlib
        before = matplotlib.rcParams.copy()  # dict() would choose a backend
        loggers = [logging.getLogger(f"matplotlib{each}") for each in ("", ".font_manager")]
        metrics = Metrics()
        metrics.add("step", step=1, loss=1.0)
        curves(metrics, sys.argv[1] + "/a.png")
        confusion([0, 1], [1, 1], sys.argv[1] + "/b.svg")
        assert "matplotlib.pyplot" not in sys.modules
        assert matplotlib.rcParams.copy() == before
        assert [(each.level, each.filters) for each in loggers] == [(0, [])] * 2
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = "confusion: the package matplotlib is missing; pip install 'tinygrad-lite[train]'"
    with pytest.raises(ImportError) as caught:
        confusion([0], [0])
    assert str(caught.value) == said


def test_figures_are_freed(metrics):
    figure = weakref.ref(curves(metrics))
    gc.collect()
    assert figure() is None


def test_a_thread_draws_too(metrics, tmp_path):
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            curves(metrics, tmp_path / f"{number}.png", names=["loss"])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    first, *others = [(tmp_path / f"{number}.png").read_bytes() for number in range(3)]
    assert others == [first, first]


def test_a_font_that_is_not_there_is_no_news(caplog):
    fonts = {"font.family": ["No Such Font", "DejaVu Sans"]}
    with matplotlib.rc_context(fonts), caplog.at_level(logging.DEBUG):
        assert "a name" in drawn_quietly(confusion([0], [0], names=["a name"]))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def drawn_quietly(figure: Figure) -> str:
    figure._repr_png_()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


# A picture of one's own.


def test_a_figure_is_written_when_its_block_ends(tmp_path):
    path = tmp_path / "own.png"
    with figure(path, 2, 1) as empty:
        empty.add_subplot(xlabel="seconds").plot([0, 1], [2, 3])
        assert not path.exists()
    assert imread(path).shape == (150, 300, 4)  # 150 pixels to an inch
    assert [each.name for each in tmp_path.iterdir()] == ["own.png"]


def test_a_figure_whose_block_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "own.png"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), figure(path):
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    with pytest.raises(ValueError, match=r"figure: expected a name that ends in \.png, \.pdf"):
        figure(tmp_path / "own.gif").__enter__()
