"""Arrays as the page shows them, compared with NumPy in float64."""

import base64

import numpy as np
import pytest

from tinygrad_lite.show.page.arrays import ArrayTable, array_shown, brief, map_of, size_text


def decoded(found):
    kind = {"f4": "<f4", "f8": "<f8", "u1": np.uint8}[found["code"]]
    return np.frombuffer(found["data"], kind)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_statistics_and_histogram_are_those_of_numpy(dtype):
    array = (np.random.default_rng(0).standard_normal((30, 40)) * 50).astype(dtype)
    shown = array_shown(array)
    wide = array.astype(np.float64)
    stats = dict(shown["stats"])
    assert stats["mean"] == f"{wide.mean():.4g}"
    assert stats["std"] == f"{wide.std():.4g}"
    assert float(stats["min"]) == pytest.approx(wide.min(), rel=1e-3)
    assert float(stats["max"]) == pytest.approx(wide.max(), rel=1e-3)
    counts, edges = np.histogram(wide, 24)
    assert shown["histogram"]["counts"] == counts.tolist()
    assert (shown["histogram"]["low"], shown["histogram"]["high"]) == (edges[0], edges[-1])


def test_a_few_long_elements_are_told_on_one_line():
    shown = brief(np.full((3, 3), -12340.0))["text"]
    row = "[-1.234e+04, -1.234e+04, -1.234e+04]"
    assert shown == f"[{row}, {row}, {row}]"
    assert brief(np.ones((0, 3)))["text"] == "no elements"


def test_nan_inf_and_zeros_are_counted_apart():
    array = np.array([np.nan, np.inf, -np.inf, 0.0, 0.0, *range(1, 16)])
    shown = array_shown(array)
    stats = dict(shown["stats"])
    assert stats["nan"] == "1 of 20"
    assert stats["inf"] == "2 of 20"
    assert stats["zeros"] == "2 (10 %)"
    assert stats["max"] == "15"
    assert sum(shown["histogram"]["counts"]) == 17


@pytest.mark.parametrize(
    "array",
    [
        np.full(20, np.nan),
        np.full((4, 5), 3.0),
        np.zeros((0, 3)),
        np.array([1e308, -1e308] * 6),
        np.array([5e-324] * 11 + [0.0]),
        np.zeros(20, bool),
        np.arange(20, dtype=np.uint8),
        np.array(np.nan),
    ],
    ids=["nan", "equal", "empty", "huge", "tiny", "bool", "uint8", "0-d"],
)
def test_extremes_make_finite_json(array):
    table = ArrayTable()
    table.numbered(array)
    (shown,) = table.finish()
    numbers = [shown.get("histogram", {}).get(end, 0.0) for end in ("low", "high")]
    numbers += [shown.get("map", {}).get(end, 0.0) for end in ("low", "high")]
    assert all(np.isfinite(numbers))
    assert brief(array)["text"]


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((4, 6), (1, 1, 4, 6)),
        ((64, 64), (1, 1, 64, 64)),
        ((128, 10), (1, 1, 128, 10)),
        ((65, 64), None),
        ((2, 3, 4), (1, 1, 6, 4)),
        ((12,), (1, 1, 1, 12)),
        ((128,), (1, 1, 2, 64)),
        ((16, 1, 28, 28), (16, 1, 28, 28)),
        ((32, 3, 32, 32), (4, 3, 32, 32)),
        ((2, 5, 9, 9), (5, 1, 9, 9)),
        ((8, 4, 3, 3), (32, 1, 3, 3)),
        ((9,), None),
        ((784, 1024), None),
    ],
)
def test_small_arrays_have_a_map(shape, layout):
    array = np.random.default_rng(1).standard_normal(shape)
    found = map_of(array)
    if layout is None:
        assert found is None
        return
    assert tuple(found[key] for key in ("tiles", "channels", "rows", "cols")) == layout
    count = int(np.prod(layout))
    flat = array.reshape(-1)[:count]
    numbers = decoded(found).astype(np.float64)
    if found["code"] == "u1":
        numbers = found["low"] + (found["high"] - found["low"]) * numbers / 255
        assert np.abs(numbers - flat).max() <= (flat.max() - flat.min()) / 255
    else:
        assert np.array_equal(numbers, flat.astype(np.float32))


def test_a_map_keeps_what_float32_would_lose():
    array = np.array([[1e300, 1e-300, np.nan, np.inf, -np.inf, 1.0]] * 2)
    found = map_of(array)
    assert found["code"] == "f8"
    assert np.array_equal(decoded(found), array.reshape(-1), equal_nan=True)


def test_grey_is_for_squares_of_intensities_only():
    rng = np.random.default_rng(2)
    assert map_of(rng.random((28, 28)))["image"]
    assert not map_of(rng.standard_normal((28, 28)))["image"]
    assert not map_of(rng.random((20, 28)))["image"]


def test_equal_arrays_are_there_once_and_large_maps_are_left_out():
    table = ArrayTable()
    a = np.random.default_rng(3).standard_normal((8, 8)).astype(np.float32)
    assert table.numbered(a) == table.numbered(a.copy()) == table.numbered(a.T.copy().T)
    assert table.numbered(a.astype(np.float64)) != table.numbered(a)
    many = [np.random.default_rng(k).standard_normal((64, 64)) for k in range(60)]
    numbers = [table.numbered(each) for each in many]
    shown = table.finish()
    assert "map" in shown[0]
    assert base64.b64decode(shown[0]["map"]["data"]) == a.tobytes()
    with_map = sum("map" in shown[number] for number in numbers)
    assert 0 < with_map < 60
    assert all("map" in shown[n] or "too large" in shown[n]["note"] for n in numbers)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB"), (2560, "2.56 kB"),
     (999_600, "1 MB"), (3_211_264, "3.21 MB"), (5_000_000_000, "5 GB")],
)  # fmt: skip
def test_bytes_have_a_unit(count, text):
    assert size_text(count) == text
