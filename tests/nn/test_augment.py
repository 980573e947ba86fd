"""Augmentation: hand-derived pixels, SciPy and torchvision's formula as oracles, and draws."""

import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
from scipy import ndimage, stats

from nn._other_names import AUGMENT
from nn.data import DataLoader, augment
from nn.data.augment._resampling import working_dtype
from tinygrad_lite import Tensor, generator, no_grad

# Every function, with arguments that change what it is given.
CALLS = {
    "affine": partial(augment.affine, degrees=30, translate=0.2, scale=(0.7, 1.4), shear=20),
    "affine nearest": partial(augment.affine, degrees=30, shear=20, interpolation="nearest"),
    "shift": partial(augment.shift, translate=0.3),
    "rotate": partial(augment.rotate, degrees=90),
    "scale": partial(augment.scale, scale=(0.5, 2.0)),
    "shear": partial(augment.shear, shear=(-30, 30, -20, 20)),
    "elastic": partial(augment.elastic, alpha=20, sigma=2),
    "flip": partial(augment.flip, vertical=0.5),
    "crop": partial(augment.crop, size=(5, 6), padding=1),
    "cutout": partial(augment.cutout, size=3, fill=1, holes=2),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def random():
    """A new generator for each use, so that no test depends on those before it."""
    return np.random.default_rng(5)


def grey(*rows, dtype=np.float64):
    return np.array([[rows]], dtype)


def ramps(count, height, width):
    """Images whose values are the coordinates (x, y) of their pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.broadcast_to(np.stack([x, y]), (count, 2, height, width))


def matrices(images):
    """The inverse maps that `ramps` went through, (N, 2, 2), and the centres' sources (N, 2)."""
    height, width = images.shape[2:]
    y, x = height // 2, width // 2
    at = images[:, :, y, x]
    found = np.stack([images[:, :, y, x + 1] - at, images[:, :, y + 1, x] - at], 2)
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    return found, at - np.einsum("nij,j->ni", found, np.array([x, y]) - center)


def torchvision_matrix(angle, scale, shear_x, shear_y):
    """The 2 x 2 part of torchvision.transforms.functional._get_inverse_affine_matrix."""
    a, x, y = np.radians([angle, shear_x, shear_y])
    forward = np.array(
        [
            [np.cos(a - y) / np.cos(y), -np.cos(a - y) * np.tan(x) / np.cos(y) - np.sin(a)],
            [np.sin(a - y) / np.cos(y), -np.sin(a - y) * np.tan(x) / np.cos(y) + np.cos(a)],
        ]
    )
    return np.linalg.inv(scale * forward)


# Geometry: exact pixels.


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "u2", "i2", "i4", "u4", "f2", "f4", ">f4", "f8"]
)
def test_what_moves_nothing_gives_the_same_pixels(dtype, interpolation):
    images = random().integers(0, 120, (3, 2, 5, 6)).astype(dtype)
    for call in (augment.affine, partial(augment.elastic, alpha=0)):
        result = call(images, interpolation=interpolation)
        assert result.dtype == images.dtype
        np.testing.assert_array_equal(result, images)
    for call in (partial(augment.shift, translate=0), partial(augment.flip, horizontal=0)):
        np.testing.assert_array_equal(call(images), images)
    np.testing.assert_array_equal(augment.crop(images, (5, 6)), images)


def test_integers_of_64_bits_keep_what_float64_holds_and_stay_in_their_range():
    images = np.array([[[[2**53, -(2**53)], [2**63 - 1, -(2**63)]]]])
    np.testing.assert_array_equal(augment.affine(images, interpolation="nearest"), images)
    result = augment.affine(images)
    np.testing.assert_array_equal(result[..., 0, :], images[..., 0, :])
    assert result[0, 0, 1, 0] == 2**63 - 1024
    assert result[0, 0, 1, 1] == -(2**63)


def test_a_shift_by_whole_pixels_is_a_roll_with_fill():
    images = random().random((200, 2, 4, 7))
    result = augment.shift(images, (0.3, 0.5), fill=9, seed=0)
    seen = set()
    for before, after in zip(images, result, strict=True):
        fits = []
        for x in range(-2, 3):
            for y in range(-2, 3):
                wide = np.pad(before, ((0, 0), (2, 2), (2, 2)), constant_values=9)
                moved = np.roll(wide, (y, x), axis=(1, 2))[:, 2:-2, 2:-2]
                if np.array_equal(moved, after):
                    fits.append((x, y))
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 25
    np.testing.assert_array_equal(
        augment.affine(images, translate=(0.3, 0.5), fill=9, seed=0), result
    )


def test_shifts_have_equal_probabilities_and_end_at_the_fraction():
    images = np.zeros((6000, 1, 5, 10), np.uint8)
    images[:, 0, 2, 5] = 1
    result = augment.shift(images, (0.3, 0.4), seed=1)  # at most 3 and 2 pixels
    assert (result.sum((1, 2, 3)) == 1).all()
    counts = result.sum((0, 1), np.int64)[:, 2:9].ravel()
    assert counts.shape == (35,)
    assert counts.sum() == 6000
    assert stats.chisquare(counts).pvalue > 0.001


def test_a_fraction_that_is_rounded_down_still_means_its_pixels():
    images = np.zeros((400, 1, 1, 49), np.uint8)
    images[..., 24] = 1
    fraction = 1 / 49
    assert fraction * 49 < 1
    moved = np.argmax(augment.shift(images, (fraction, 0), seed=0), axis=-1)
    assert set(moved.ravel()) == {23, 24, 25}


def test_the_largest_shift_leaves_only_fill_or_part_of_an_image():
    images = np.ones((500, 1, 3, 3), np.uint8)
    left = augment.shift(images, 1.0, fill=0, seed=0).sum((1, 2, 3))
    assert set(left) == {0, 1, 2, 3, 4, 6, 9}


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("size", [1, 4, 5])
def test_quarter_turns_are_rot90_counter_clockwise(size, dtype, interpolation):
    images = (random().random((2, 3, size, size)) * 255).astype(dtype)
    for quarters in (-5, -1, 1, 2, 3, 4):
        turned = augment.rotate(images, (90 * quarters, 90 * quarters), interpolation, fill=7)
        np.testing.assert_array_equal(turned, np.rot90(images, quarters, (2, 3)))


def test_half_a_turn_of_a_rectangle_turns_it_around():
    images = random().random((2, 1, 3, 6)).astype(np.float32)
    np.testing.assert_array_equal(augment.rotate(images, (180, 180)), images[:, :, ::-1, ::-1])
    quarter = augment.rotate(grey([1, 2, 3]), (90, 90), fill=0)
    np.testing.assert_array_equal(quarter, grey([0, 2, 0]))  # the ends leave the frame


def test_scale_2_reads_at_half_steps_from_the_centre():
    line = grey([0, 4, 8, 12])  # the sources are 0.75, 1.25, 1.75, 2.25
    np.testing.assert_array_equal(augment.scale(line, (2, 2)), grey([3, 5, 7, 9]))
    np.testing.assert_array_equal(augment.scale(line, (2, 2), "nearest"), grey([4, 4, 8, 8]))
    # 1/2: the sources are -1.5, 0.5, 2.5, 4.5
    np.testing.assert_array_equal(
        augment.scale(line, (0.5, 0.5), fill=100), grey([100, 2, 10, 100])
    )
    np.testing.assert_array_equal(
        augment.scale(line, (0.5, 0.5), "nearest", fill=100), grey([100, 4, 12, 100])
    )
    # 2/3: -0.75, 0.75, 2.25, 3.75: a quarter of the first pixel, and of the last, is fill's
    third = augment.scale(line, (2 / 3, 2 / 3), fill=100)
    np.testing.assert_allclose(third, grey([75, 3, 9, 78]))


def test_a_positive_shear_leans_to_the_right_and_raises_the_right_end():
    bar = grey([0, 1, 0], [0, 1, 0], [0, 1, 0], dtype=np.uint8)
    leaning = grey([0, 0, 1], [0, 1, 0], [1, 0, 0], dtype=np.uint8)
    np.testing.assert_array_equal(augment.shear(bar, (45, 45)), leaning)
    level = bar.swapaxes(2, 3)
    np.testing.assert_array_equal(augment.shear(level, (0, 0, 45, 45)), leaning)
    np.testing.assert_array_equal(augment.shear(level, (45, 45)), level)


def test_a_shear_along_x_moves_nothing_along_y():
    moved = augment.shear(ramps(20, 9, 9), 40, seed=0)[:, :, 2:7, 4:5]
    np.testing.assert_allclose(moved[:, 1], ramps(20, 9, 9)[:, 1, 2:7, 4:5], atol=1e-12)
    assert np.ptp(moved[:, 0]) > 1


def test_integers_are_rounded_to_the_nearest():
    line = grey([0, 1, 2, 3, 4, 5, 6, 7], dtype=np.uint8)
    floats = augment.scale(line.astype(np.float64), (3, 3))
    np.testing.assert_array_equal(augment.scale(line, (3, 3)), np.rint(floats))
    white = np.full((4, 1, 9, 9), 255, np.uint8)
    assert set(augment.affine(white, 40, 0.2, (0.5, 2), 30, fill=255).ravel()) == {255}


# Geometry: beside SciPy and torchvision's formula.


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (7, 10), (12, 9)])
def test_affine_maps_are_those_of_scipy(shape, interpolation):
    draw = np.random.default_rng(shape)
    images = draw.random((2, 3, *shape))
    fill = (0.5, -1.0, 3.0)
    center = (np.array(shape) - 1) / 2
    for _ in range(8):
        angle, size, lean_x, lean_y = draw.uniform((-180, 0.3, -60, -60), (180, 3, 60, 60))
        result = augment.affine(
            images,
            (angle, angle),
            scale=(size, size),
            shear=(lean_x, lean_x, lean_y, lean_y),
            interpolation=interpolation,
            fill=fill,
        )
        inverse = torchvision_matrix(-angle, size, lean_x, lean_y)[::-1, ::-1]  # in (y, x)
        for image, moved in zip(images, result, strict=True):
            for channel, value, found in zip(image, fill, moved, strict=True):
                wanted = ndimage.affine_transform(
                    channel,
                    inverse,
                    center - inverse @ center,
                    order=int(interpolation == "bilinear"),
                    mode="grid-constant",
                    cval=value,
                )
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_float32_and_uint8_follow_float64():
    images = random().integers(0, 256, (50, 1, 28, 28)).astype(np.uint8)
    call = partial(augment.affine, degrees=30, translate=0.1, scale=(0.8, 1.2), shear=20, seed=3)
    exact = call(images.astype(np.float64))
    np.testing.assert_allclose(call(images.astype(np.float32)), exact, atol=2e-3)
    assert np.abs(call(images) - exact).max() < 0.502
    np.testing.assert_allclose(call(images.astype(np.float16)), exact, atol=0.07)


def test_each_image_has_a_map_of_its_own_within_the_ranges():
    result = augment.affine(
        ramps(3000, 40, 40), (-20, 10), (0.1, 0.2), (0.9, 1.3), (-5, 5, 2, 9), seed=7
    )
    found, sources = matrices(result)
    forward = np.linalg.inv(found)
    moved = -np.einsum("nij,nj->ni", forward, sources - 19.5)
    # forward = scale * rotation @ [[1, -tan x], [-tan y, 1 + tan x tan y]]
    size = np.sqrt(np.linalg.det(forward))
    first = forward[:, :, 0] / size[:, None]  # (cos + sin tan y...): rotation @ (1, -tan y)
    lean_y = np.degrees(np.arccos(1 / np.linalg.norm(first, axis=1)))
    angle = np.degrees(np.arctan2(-first[:, 1], first[:, 0])) - lean_y
    rotation = np.array(
        [
            [np.cos(np.radians(angle)), np.sin(np.radians(angle))],
            [-np.sin(np.radians(angle)), np.cos(np.radians(angle))],
        ]
    ).transpose(2, 0, 1)
    rest = rotation.transpose(0, 2, 1) @ forward / size[:, None, None]
    lean_x = np.degrees(np.arctan(-rest[:, 0, 1]))
    for values, low, high in (
        (angle, -20, 10),
        (size, 0.9, 1.3),
        (lean_x, -5, 5),
        (lean_y, 2, 9),
    ):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.001
    for values, most in zip(moved.T, (4, 8), strict=True):
        whole = np.rint(values)
        np.testing.assert_allclose(values, whole, atol=1e-9)
        _, counts = np.unique(whole, return_counts=True)
        assert len(counts) == 2 * most + 1
        assert np.abs(whole).max() == most
        assert stats.chisquare(counts).pvalue > 0.001
    pairs = np.corrcoef([angle, size, lean_x, lean_y, *moved.T])
    assert np.abs(pairs - np.eye(6)).max() < 0.08


def test_a_sum_of_maps_keeps_the_numbers_of_each():
    """Six numbers an image: the shifts of `shift` and the angles of `rotate` are affine's too."""
    images = ramps(20, 30, 30)
    both = augment.affine(images, 20, 0.2, seed=4)
    turned, _ = matrices(augment.rotate(images, 20, seed=4))
    found, sources = matrices(both)
    np.testing.assert_allclose(found, turned, atol=1e-12)
    _, shifted = matrices(augment.shift(images, 0.2, seed=4))
    wanted = np.einsum("nij,nj->ni", found, shifted - 14.5)
    np.testing.assert_allclose(sources - 14.5, wanted, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"degrees": (1e300, 1e300)},
        {"scale": (5e-324, 5e-324)},
        {"scale": (1e300, 1e300)},
        {"shear": (89.99999999999999,) * 4},
        {"shear": (89.99999999999999,) * 4, "scale": (1e-300, 1e-300), "degrees": 180},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_maps_of_any_size_give_pixels_or_fill(options, dtype):
    images = np.full((5, 1, 4, 5), 8, dtype)
    result = augment.affine(images, fill=2, **options)
    assert ((result >= 2) & (result <= 8)).all()
    augment.elastic(images, alpha=1e300, sigma=1e-300, fill=2)
    augment.elastic(images, alpha=1e300, sigma=1e300, fill=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_pixel_that_is_no_number_spreads_only_to_where_it_has_a_weight(dtype):
    images = np.zeros((1, 1, 5, 5), dtype)
    images[0, 0, 2, 2], images[0, 0, 0, 4] = np.nan, np.inf
    images[0, 0, 4, 0], images[0, 0, 4, 1] = np.finfo(dtype).max, np.finfo(dtype).min
    np.testing.assert_array_equal(augment.affine(images), images)
    np.testing.assert_array_equal(augment.rotate(images, (90, 90)), np.rot90(images, 1, (2, 3)))
    half = augment.scale(images[:, :, 1:, 1:], (2, 2), fill=1)
    assert np.isnan(half).sum() == 9  # the sources are 0.75, 1.25, 1.75, 2.25
    assert np.isfinite(augment.rotate(images[:, :, 3:], 30, seed=0)).all()
    clean = np.where(np.isfinite(images), images, 0)[:, :, :3]
    spoilt = clean.copy()
    spoilt[0, 0, 0, 0] = np.nan
    before, after = (augment.rotate(each, (20, 20)) for each in (clean, spoilt))
    np.testing.assert_array_equal(after[~np.isnan(after)], before[~np.isnan(after)])


# Elastic distortion.


@pytest.mark.parametrize(("alpha", "sigma"), [(34, 4), (3, 0.4), (8, 1), (200, 9), (1.5, 0)])
def test_elastic_reads_along_a_field_smoothed_as_by_scipy(alpha, sigma):
    images = random().random((3, 2, 17, 23))
    field = 2.0 * np.random.default_rng(6).random((3, 2, 17, 23), np.float32).astype(np.float64) - 1
    result = augment.elastic(images, alpha, sigma, fill=0.25, seed=6)
    y, x = np.mgrid[:17, :23]
    for image, found, (dx, dy) in zip(images, result, field, strict=True):
        dx, dy = (
            alpha * ndimage.gaussian_filter(each, sigma, mode="constant", truncate=12)
            for each in (dx, dy)
        )
        for channel, moved in zip(image, found, strict=True):
            wanted = ndimage.map_coordinates(
                channel, [y + dy, x + dx], order=1, mode="grid-constant", cval=0.25
            )
            np.testing.assert_allclose(moved, wanted, rtol=0, atol=1e-9)


def test_elastic_displaces_as_far_as_its_docstring_says():
    alpha, sigma = 40, 3
    middle = (augment.elastic(ramps(400, 41, 41), alpha, sigma, seed=0) - ramps(1, 41, 41))[
        :, :, 15:26, 15:26
    ]
    deviation = alpha / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma)
    assert abs(middle.mean()) < 0.1
    assert middle.std() == pytest.approx(deviation, rel=0.05)
    assert deviation == pytest.approx(alpha / (6 * sigma), rel=0.03)
    for lag in (1, 3):  # white noise through a Gaussian has this correlation
        pairs = np.corrcoef(middle[..., lag:].ravel(), middle[..., :-lag].ravel())[0, 1]
        assert pairs == pytest.approx(np.exp(-(lag**2) / (4 * sigma**2)), abs=0.05)
    assert abs(np.corrcoef(middle[:, 0].ravel(), middle[:, 1].ravel())[0, 1]) < 0.1


# Flip, crop, cutout.


def test_each_flip_is_one_of_four_with_its_probability():
    images = random().random((4000, 2, 2, 3))
    result = augment.flip(images, 0.3, 0.6, seed=2)
    flips = {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 0}
    for before, after in zip(images, result, strict=True):
        (kind,) = (
            (h, v) for h, v in flips if np.array_equal(before[:, :: 1 - 2 * v, :: 1 - 2 * h], after)
        )
        flips[kind] += 1
    wanted = [4000 * p for p in (0.7 * 0.4, 0.7 * 0.6, 0.3 * 0.4, 0.3 * 0.6)]
    assert stats.chisquare(list(flips.values()), wanted).pvalue > 0.001
    np.testing.assert_array_equal(augment.flip(images, 1), images[..., ::-1])
    np.testing.assert_array_equal(augment.flip(images, 0, 1), images[:, :, ::-1])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_a_crop_is_a_window_of_the_padded_image(mode):
    images = random().random((600, 2, 4, 5))
    sides = (2, 1, 0, 3)  # left, top, right, bottom
    result = augment.crop(images, (6, 4), sides, fill=7, padding_mode=mode, seed=3)
    assert result.shape == (600, 2, 6, 4)
    options = {"constant_values": 7} if mode == "constant" else {}
    padded = np.pad(images, ((0, 0), (0, 0), (1, 3), (2, 0)), mode, **options)
    counts = np.zeros((3, 4))
    for before, after in zip(padded, result, strict=True):
        ((y, x),) = (
            (y, x)
            for y in range(3)
            for x in range(4)
            if np.array_equal(before[:, y : y + 6, x : x + 4], after)
        )
        counts[y, x] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 0.001


def test_padding_is_read_as_in_torchvision():
    image = np.zeros((1, 3, 2, 2), np.uint8)
    assert augment.crop(image, (4, 4), 1, fill=(1, 2, 3)).sum() == (16 - 4) * 6
    wide = augment.crop(image, (2, 6), (2, 0), fill=1)
    assert wide[0, 0].tolist() == [[1, 1, 0, 0, 1, 1]] * 2
    sides = augment.crop(image, (3, 3), (1, 0, 0, 1), fill=1)
    assert sides[0, 0].tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("size", [1, 2, 3, (4, 1), 50])
def test_cutout_hides_a_square_around_a_pixel_and_cuts_it_off_at_the_border(size):
    images = np.ones((3000, 2, 5, 6), np.float32)
    result = augment.cutout(images, size, fill=(-1, 4), seed=4)
    np.testing.assert_array_equal(result[:, 0] == -1, result[:, 1] == 4)
    hidden = result[:, 0] == -1
    assert (result[:, 0][~hidden] == 1).all()
    height, width = size if isinstance(size, tuple) else (size, size)
    wanted = {}
    for y in range(5):
        for x in range(6):
            mask = np.zeros((5, 6), bool)
            top, left = y - height // 2, x - width // 2
            mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
            wanted[mask.tobytes()] = wanted.get(mask.tobytes(), 0) + 100
    seen = dict.fromkeys(wanted, 0)
    for mask in hidden:
        seen[mask.tobytes()] += 1  # a KeyError for any other mask
    if len(wanted) > 1:
        assert stats.chisquare(list(seen.values()), list(wanted.values())).pvalue > 0.001


def test_several_holes_hide_more_and_are_drawn_apart():
    images = np.ones((500, 1, 8, 8), np.uint8)
    hidden = (augment.cutout(images, 1, holes=3, seed=0) == 0).sum((1, 2, 3))
    assert {2, 3} <= set(hidden) <= {1, 2, 3}
    assert (hidden == 3).mean() > 0.9


# Channels.


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_normalized_with_their_own_moments_channels_have_mean_0_and_deviation_1(dtype):
    images = (random().random((300, 3, 5, 4)) * [[[50]], [[100]], [[200]]]).astype(dtype)
    if dtype == "?":
        images = random().random((300, 3, 5, 4)) < 0.3
    mean, std = augment.mean_std(images)
    assert mean.dtype == std.dtype == np.float64
    wide = images.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, wide.std((0, 2, 3)), rtol=1e-12)
    result = augment.normalize(images, mean, std)
    assert result.dtype == (images.dtype if images.dtype.kind == "f" else np.float32)
    wanted = (wide - mean[:, None, None]) / std[:, None, None]
    rtol = {"f2": 1e-3, "f8": 1e-13}.get(dtype, 1e-5)
    np.testing.assert_allclose(result, wanted, rtol=rtol, atol=rtol)


def test_one_mean_serves_all_channels_and_tensors_and_lists_are_read():
    images = np.full((1, 2, 1, 1), 7, np.uint8)
    for mean in (5, 5.0, [5, 5], (5,), np.array([5.0, 5.0]), Tensor([5.0, 5.0]), np.float32(5)):
        assert augment.normalize(images, mean, 4).ravel().tolist() == [0.5, 0.5]


# What holds for every function.


@every_call
def test_the_same_seed_gives_the_same_images_in_every_form(call):
    images = random().integers(0, 256, (60, 2, 8, 9)).astype(np.uint8)
    result = call(images, seed=1)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert not np.array_equal(result, call(images, seed=2))
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 1, -1)), -1, 1)
    spaced = np.repeat(np.repeat(images, 2, 0), 2, 3)[::2, :, :, ::2]
    backward = np.ascontiguousarray(images[::-1, :, ::-1])[::-1, :, ::-1]
    locked = images.copy()
    locked.flags.writeable = False
    seeds = (np.int64(1), np.random.default_rng(1), np.random.PCG64(1), np.random.SeedSequence(1))
    for form in (last, spaced, backward, locked, np.asfortranarray(images)):
        np.testing.assert_array_equal(form, images)
        np.testing.assert_array_equal(call(form, seed=1), result)
        np.testing.assert_array_equal(form, images)
    for seed in seeds:
        np.testing.assert_array_equal(call(images, seed=seed), result)
    tensor = Tensor(images)
    moved = call(tensor, seed=1)
    assert type(moved) is Tensor
    assert not moved.requires_grad
    np.testing.assert_array_equal(moved.numpy(), result)
    np.testing.assert_array_equal(tensor.numpy(), images)


@every_call
def test_an_image_depends_on_no_chunk_no_later_image_and_no_dtype(call, monkeypatch):
    images = random().integers(0, 256, (50, 2, 8, 9)).astype(np.float32)
    result = call(images, seed=1)
    np.testing.assert_array_equal(call(images[:13], seed=1), result[:13])
    for pixels in (1, 700):
        monkeypatch.setattr("nn.data.augment._arguments.PIXELS", pixels)
        np.testing.assert_array_equal(call(images, seed=1), result)
    np.testing.assert_allclose(call(images.astype(np.uint8), seed=1), result, atol=0.501)
    np.testing.assert_allclose(call(images.astype(np.float64), seed=1), result, atol=0.02)


@every_call
def test_without_a_seed_numbers_follow_manual_seed(call):
    images = random().random((30, 1, 8, 9))
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state
    Tensor.manual_seed(3)
    first, second = call(images), call(images)
    Tensor.manual_seed(3)
    np.testing.assert_array_equal(call(images), first)
    assert not np.array_equal(first, second)
    with generator.seeded(8):
        inside = call(images)
    np.testing.assert_array_equal(inside, call(images, seed=8))
    np.testing.assert_array_equal(call(images), second)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_seed_gives_the_numbers_that_it_has_always_given():
    """So that a training can be repeated with a later version."""
    images = np.zeros((4, 1, 9, 9), np.uint8)
    images[:, :, 4, 4] = 1
    for result, wanted in (
        (augment.shift(images, 0.4, seed=0), [[1, 2], [4, 6], [6, 1], [1, 3]]),
        (augment.crop(images, 5, seed=0), [[1, 3], [4, 4], [0, 0], [1, 1]]),
    ):
        assert np.argwhere(result)[:, 2:].tolist() == wanted
    x, y = matrices(augment.affine(ramps(1, 20, 20), 9, 0.1, (0.9, 1.1), 9, seed=0))
    drawn = np.random.default_rng(0).random(6)
    inverse = torchvision_matrix(9 - 18 * drawn[0], 0.9 + 0.2 * drawn[3], 18 * drawn[4] - 9, 0)
    np.testing.assert_allclose(x[0], inverse, atol=1e-12)
    shifts = np.floor(drawn[1:3] * 5) - 2
    np.testing.assert_allclose(y[0], 9.5 - inverse @ shifts, atol=1e-12)


def test_defaults():
    images = np.full((2, 1, 20, 20), 255, np.uint8)
    given = {"interpolation": "bilinear", "fill": 0}
    for call, options in (
        (augment.affine, {"degrees": 0, "translate": 0, "scale": (1, 1), "shear": 0} | given),
        (partial(augment.rotate, degrees=40), given),
        (partial(augment.scale, scale=(0.5, 0.6)), given),
        (partial(augment.shear, shear=40), given),
        (augment.shift, {"translate": 0.1, "fill": 0}),
        (augment.elastic, {"alpha": 34, "sigma": 4} | given),
        (augment.flip, {"horizontal": 0.5, "vertical": 0}),
        (partial(augment.crop, size=22, padding=3), {"fill": 0, "padding_mode": "constant"}),
        (partial(augment.crop, size=20), {"padding": 0}),
        (partial(augment.cutout, size=5), {"holes": 1, "fill": 0}),
    ):
        marked = images - np.arange(20, dtype=np.uint8)
        np.testing.assert_array_equal(call(marked, seed=0), call(marked, seed=0, **options))


def test_a_generator_goes_on_and_a_seed_sequence_does_not():
    images = random().random((30, 1, 8, 9))
    shared, sequence = np.random.default_rng(1), np.random.SeedSequence(1)
    assert not np.array_equal(*(augment.rotate(images, 90, seed=shared) for _ in range(2)))
    np.testing.assert_array_equal(*(augment.rotate(images, 90, seed=sequence) for _ in range(2)))


@every_call
@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_edges_of_shape(call, dtype):
    for shape in ((0, 1, 8, 9), (2, 0, 8, 9), (0, 0, 8, 9), (1, 1, 8, 9), (2, 5, 8, 9)):
        result = call(np.ones(shape, dtype))
        assert result.dtype == dtype
        assert result.shape[:2] == shape[:2]
    if call.func is augment.crop:
        return
    for shape in ((2, 1, 0, 9), (2, 1, 8, 0), (2, 1, 0, 0), (3, 2, 1, 1)):
        assert call(np.ones(shape, dtype)).shape == shape


@every_call
def test_the_result_shares_no_memory_and_the_input_stays(call):
    images = random().random((3, 1, 8, 9))
    before = images.copy()
    result = call(images, seed=0)
    assert not np.shares_memory(result, images)
    result[:] = 5
    np.testing.assert_array_equal(images, before)


def test_what_moves_nothing_is_still_a_copy():
    images = random().random((3, 1, 8, 9))
    for result in (
        augment.affine(images),
        augment.flip(images, 0),
        augment.crop(images, (8, 9)),
        augment.normalize(images, 0, 1),
    ):
        np.testing.assert_array_equal(result, images)
        assert not np.shares_memory(result, images)


@every_call
def test_a_large_batch_takes_little_memory_beside_its_result(call):
    images = np.zeros((4000, 1, 28, 28), np.uint8)
    tracemalloc.start()
    try:
        call(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * images.nbytes


def test_no_gradient_is_lost_without_a_word():
    images = Tensor(random().random((2, 1, 8, 9)), requires_grad=True)
    with pytest.raises(ValueError, match=r"^rotate: images require grad, .*images\.detach\(\)$"):
        augment.rotate(images, 10)
    assert not augment.rotate(images.detach(), 10).requires_grad
    with no_grad():
        assert not augment.rotate(images, 10).requires_grad


IMAGES = np.zeros((2, 3, 4, 5), np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: augment.shift([[[[1]]]]), r"shift: images: expected an ndarray or a Tensor; got "),
        (lambda: augment.flip(None), r"flip: images: expected an ndarray or a Tensor; got None"),
        (
            lambda: augment.rotate(np.ma.masked_array(IMAGES), 10),
            r"rotate: images: expected an ndarray or a Tensor; got MaskedArray",
        ),
        (
            lambda: augment.crop(np.zeros((2, 28, 28)), 8),
            r"crop: images: expected shape \(N, C, H, W\); got ndarray of shape \(2, 28, 28\), "
            r"float64; for \(N, H, W\) pass images\[:, None\], for one image \(C, H, W\) pass "
            r"image\[None\]$",
        ),
        (
            lambda: augment.cutout(np.zeros((2, 784)), 8),
            r"cutout: images: expected shape \(N, C, H, W\); got .*float64$",
        ),
        (
            lambda: augment.elastic(IMAGES.astype(complex)),
            r"elastic: images: expected bool, integers, or floats of at most 64 bits; got ",
        ),
        (
            lambda: augment.elastic(IMAGES.astype(np.longdouble)),
            r"elastic: images: expected bool, integers, or floats of at most 64 bits; got ",
        ),
        (lambda: augment.mean_std(IMAGES.astype(object)), r"mean_std: images: expected bool, "),
        (
            lambda: augment.rotate(IMAGES, -10),
            r"rotate: degrees: expected a number of 0 or more, or a pair \(min, max\); got -10$",
        ),
        (
            lambda: augment.rotate(IMAGES, (10, -10)),
            r"rotate: degrees: expected \(min, max\), min first; got \(10, -10\)$",
        ),
        (lambda: augment.rotate(IMAGES, (1, 2, 3)), r"rotate: degrees: expected a pair \(min, max"),
        (lambda: augment.rotate(IMAGES, "10"), r"rotate: degrees: expected a number"),
        (lambda: augment.rotate(IMAGES, np.nan), r"rotate: degrees: expected a finite number"),
        (lambda: augment.affine(IMAGES, np.inf), r"affine: degrees: expected a finite number; got"),
        (
            lambda: augment.affine(IMAGES, translate=(0.1, 1.5)),
            r"affine: translate: expected a number from 0 to 1; got 1\.5$",
        ),
        (
            lambda: augment.shift(IMAGES, 2),
            r"shift: translate: expected a number from 0 to 1; got 2$",
        ),
        (lambda: augment.shift(IMAGES, (0.1,)), r"shift: translate: expected a number or a pair"),
        (
            lambda: augment.scale(IMAGES, (0, 1)),
            r"scale: scale: expected factors above 0; got \(0, 1\)$",
        ),
        (
            lambda: augment.scale(IMAGES, 1.5),
            r"scale: scale: expected a pair \(min, max\); got 1.5",
        ),
        (lambda: augment.scale(IMAGES, (2, 1)), r"scale: scale: expected \(min, max\), min first"),
        (
            lambda: augment.shear(IMAGES, 90),
            r"shear: shear: expected degrees between -90 and 90; got 90$",
        ),
        (lambda: augment.shear(IMAGES, (0, 90)), r"shear: shear: expected degrees between -90"),
        (lambda: augment.shear(IMAGES, (-90, 0)), r"shear: shear: expected degrees between -90"),
        (
            lambda: augment.shear(IMAGES, (1, 2, 3)),
            r"shear: shear: expected a number, \(min, max\) or \(min, max, min, max\); got ",
        ),
        (
            lambda: augment.affine(IMAGES, interpolation="bicubic"),
            r'affine: interpolation: expected "bilinear" or "nearest"; got \'bicubic\'',
        ),
        (
            lambda: augment.affine(IMAGES, fill=-1),
            r"affine: fill: expected a value of the images' dtype, uint8; got -1$",
        ),
        (
            lambda: augment.affine(IMAGES, fill=0.5),
            r"affine: fill: expected a value of the images'",
        ),
        (
            lambda: augment.affine(IMAGES.astype(np.float16), fill=1e6),
            r"affine: fill: expected a value of the images' dtype, float16; got 1000000\.0$",
        ),
        (
            lambda: augment.cutout(IMAGES, 2, fill=(1, 2)),
            r"cutout: fill: expected one number, or one for each of 3 channels; got \(1, 2\)$",
        ),
        (lambda: augment.cutout(IMAGES, 2, fill="black"), r"cutout: fill: expected a number; got"),
        (
            lambda: augment.affine(IMAGES, seed=-1),
            r"affine: seed: expected an integer of 0",
        ),
        (
            lambda: augment.affine(IMAGES, seed=0.5),
            r"affine: seed: expected an integer of 0",
        ),
        (lambda: augment.elastic(IMAGES, -1), r"elastic: alpha: expected a number of 0 or more"),
        (lambda: augment.elastic(IMAGES, np.inf), r"elastic: alpha: expected a finite number; got"),
        (lambda: augment.elastic(IMAGES, 1, -1), r"elastic: sigma: expected a number of 0 or more"),
        (lambda: augment.elastic(IMAGES, 1, np.nan), r"elastic: sigma: expected a number of 0"),
        (lambda: augment.flip(IMAGES, 1.1), r"flip: horizontal: expected a number from 0 to 1"),
        (lambda: augment.flip(IMAGES, 0, -0.1), r"flip: vertical: expected a number from 0 to 1"),
        (
            lambda: augment.crop(IMAGES, 8, padding=1),
            r"crop: size: expected at most the padded image's, \(6, 7\); got \(8, 8\)$",
        ),
        (lambda: augment.crop(IMAGES, (5, 5)), r"crop: size: .* image's, \(4, 5\); got \(5, 5\)$"),
        (lambda: augment.crop(IMAGES, (4, 6)), r"crop: size: .* image's, \(4, 5\); got \(4, 6\)$"),
        (lambda: augment.crop(IMAGES, 0), r"crop: size: expected an integer of 1 or more; got 0"),
        (lambda: augment.crop(IMAGES, 2.5), r"crop: size: expected an integer or a tuple of inte"),
        (lambda: augment.crop(IMAGES, (1, 2, 3)), r"crop: size: expected an integer or a pair"),
        (lambda: augment.crop(IMAGES, ()), r"crop: size: expected an integer or a pair \(height"),
        (
            lambda: augment.crop(IMAGES, 2, (1, 2, 3)),
            r"crop: padding: expected one integer, ",
        ),
        (lambda: augment.crop(IMAGES, 2, -1), r"crop: padding: expected an integer of 0 or more"),
        (lambda: augment.crop(IMAGES, 2, 1, padding_mode="wrap"), r"crop: padding_mode: expected "),
        (
            lambda: augment.crop(IMAGES[:, :, :0], 2, 1, padding_mode="edge"),
            r'crop: padding_mode: "edge" needs a pixel; got \(2, 3, 0, 5\)$',
        ),
        (lambda: augment.cutout(IMAGES, 0), r"cutout: size: expected an integer of 1 or more"),
        (lambda: augment.cutout(IMAGES, 1, 0), r"cutout: holes: expected an integer of 1 or more"),
        (
            lambda: augment.normalize(IMAGES, 0, (1, 0, 1)),
            r"normalize: std: expected numbers above 0; got \[1\.0, 0\.0, 1\.0\]$",
        ),
        (lambda: augment.normalize(IMAGES, 0, np.nan), r"normalize: std: expected numbers above 0"),
        (lambda: augment.normalize(IMAGES, (0, 0), 1), r"normalize: mean: expected one number, or"),
        (
            lambda: augment.mean_std(IMAGES[:0]),
            r"mean_std: images: expected a pixel; got ndarray of shape \(0, 3, 4, 5\), uint8$",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_and_draws_nothing(call, message):
    state = generator.get_state()
    with pytest.raises((TypeError, ValueError), match=f"^{message}") as caught:
        call()
    assert "\n" not in str(caught.value)
    assert generator.get_state() == state


def test_in_a_loader_each_batch_has_numbers_of_its_own():
    images = np.broadcast_to(random().random((1, 1, 6, 7)), (40, 1, 6, 7)).copy()
    labels = np.arange(40, dtype=np.uint8)

    def transform(x, y):
        x = augment.affine(x, degrees=90, translate=0.3)
        return augment.normalize(augment.cutout(x, 2), 0.5, 2), y

    def epochs(seed, **workers):
        options = {"batch_size": 10, "seed": seed, "transform": transform}
        loader = DataLoader(images, labels, **options, **workers)
        return [
            np.concatenate([part.numpy() for part in parts])
            for _ in range(2)
            for parts in zip(*loader, strict=True)
        ]

    first, counted, second, _ = found = epochs(0)
    np.testing.assert_array_equal(counted, labels)
    every = np.concatenate([first, second])
    assert len(np.unique(every.reshape(80, -1), axis=0)) == 80
    for workers in ({}, {"num_workers": 2, "threads": True}, {"num_workers": 2}):
        for again, wanted in zip(epochs(0, **workers), found, strict=True):
            np.testing.assert_array_equal(again, wanted)
    assert not np.array_equal(epochs(1)[0], first)


def test_names_of_torchvision_say_what_to_write():
    with pytest.raises(AttributeError, match=r"'RandomCrop'; here it is crop\(images, size, padd"):
        _ = augment.RandomCrop
    with pytest.raises(AttributeError, match=r"^module 'nn.data.augment' has no attribute 'x'$"):
        _ = augment.x
    for name in AUGMENT:
        assert name not in augment.__all__


def test_coordinates_are_float64_where_float32_cannot_count_the_pixels():
    byte = np.zeros((), np.uint8)
    assert working_dtype(np.broadcast_to(byte, (1, 1, 4000, 4000))) == np.float32
    assert working_dtype(np.broadcast_to(byte, (1, 1, 4096, 4096))) == np.float64


def test_it_is_imported_when_first_used():
    code = (
        "import sys, nn; assert 'nn.data.augment' not in sys.modules; "
        "assert nn.data.augment.affine is sys.modules['nn.data.augment'].affine"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
