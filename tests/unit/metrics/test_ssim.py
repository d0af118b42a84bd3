"""SSIM: its fixed points, its window, its map."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import skimage.metrics

from facesr_bench.api import score
from facesr_bench.base.errors import MetricError
from facesr_bench.functional import channels as channels_module
from facesr_bench.functional import ssim as ssim_module
from facesr_bench.functional.channels import Scored, Statistics
from facesr_bench.functional.ssim import Ssim, SsimConvention, average_pool, weighted_mean
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.profile import get_profile, profiles

C1 = (0.01 * 255) ** 2

SKIMAGE: Any = skimage  # it has no types


def flat(level: int, side: int = 32) -> Image8:
    return np.full((side, side, 3), level, np.uint8)


def ssim(sr: Image8, hr: Image8, profile: str = "basicsr-rgb", scale: int = 8) -> float:
    return score(sr, hr, ["ssim"], profile, scale)["ssim"]


def blurred(image: Image8) -> Image8:
    height, width = image.shape[:2]
    return resize(resize(image, (height // 8, width // 8)), (height, width))


def load(profile: str, scale: int = 8) -> Ssim:
    return Ssim(get_profile(profile).convention("ssim", SsimConvention), scale)


@pytest.mark.parametrize("profile", sorted(profiles()))
def test_identical_images_score_exactly_one(astronaut: Image8, profile: str) -> None:
    assert ssim(astronaut.copy(), astronaut, profile) == 1.0


@pytest.mark.parametrize(("a", "b"), [(0, 255), (100, 120), (0, 1)])
@pytest.mark.parametrize("profile", ["basicsr-rgb", "skimage", "mmagic-dic", "piq", "pyiqa-y"])
def test_constant_images_differ_in_luminance_alone(profile: str, a: int, b: int) -> None:
    assert ssim(flat(a), flat(b), profile) == pytest.approx((2 * a * b + C1) / (a * a + b * b + C1), abs=1e-9)


@pytest.mark.parametrize("profile", sorted(set(profiles()) - {"vqfr"}))
def test_symmetric(astronaut: Image8, profile: str) -> None:
    sr = blurred(astronaut)
    assert ssim(sr, astronaut, profile) == pytest.approx(ssim(astronaut, sr, profile), abs=1e-12)


@pytest.mark.parametrize("profile", ["sparnet", "sfmnet", "dic", "piq"])
def test_turning_or_mirroring_both_images_changes_nothing(astronaut: Image8, profile: str) -> None:
    hr = astronaut[:, :150]
    sr = blurred(astronaut)[:, :150]
    expected = ssim(sr, hr, profile)
    assert ssim(np.rot90(sr), np.rot90(hr), profile) == pytest.approx(expected, abs=1e-12)
    assert ssim(sr[:, ::-1], hr[:, ::-1], profile) == pytest.approx(expected, abs=1e-12)


def test_opposite_structure_is_negative_unless_clipped() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 1), np.uint8).repeat(3, axis=2)
    assert ssim(255 - noise, noise, "basicsr-rgb") < -0.5
    assert ssim(255 - noise, noise, "pyiqa-y") == 0


@pytest.mark.parametrize("profile", ["basicsr-rgb", "skimage"])
def test_the_map_is_scikit_images(astronaut: Image8, profile: str) -> None:
    metric, sr = load(profile), blurred(astronaut)
    found = metric.map(sr, metric.prepare(astronaut))
    gaussian = profile == "basicsr-rgb"
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False} if gaussian else {}
    theirs = SKIMAGE.metrics.structural_similarity
    full = theirs(sr, astronaut, data_range=255, channel_axis=-1, full=True, **options)[1].mean(axis=2)
    rim = 5 if gaussian else 3
    assert found.shape == (192 - 2 * rim, 192 - 2 * rim)
    assert np.allclose(found, full[rim:-rim, rim:-rim], rtol=0, atol=1e-9)
    assert found.mean() == pytest.approx(metric.value(sr, metric.prepare(astronaut)), abs=1e-12)


def test_the_map_shows_where_the_error_is(astronaut: Image8) -> None:
    sr = astronaut.copy()
    sr[60:80, 100:120] = 255 - sr[60:80, 100:120]
    metric = load("sparnet")
    found = metric.map(sr, metric.prepare(astronaut))
    row, column = np.unravel_index(found.argmin(), found.shape)
    assert 60 <= row + 5 < 80
    assert 100 <= column + 5 < 120
    assert (found[:45] == 1).all()


def test_one_reference_serves_many_methods(astronaut: Image8) -> None:
    metric = load("vqfr")
    reference = metric.prepare(astronaut)
    for side in (24, 48):
        sr = resize(resize(astronaut, (side, side)), (192, 192))
        assert metric.value(sr, reference) == ssim(sr, astronaut, "vqfr")


@pytest.mark.parametrize(("side", "factor"), [(383, 1), (384, 2), (513, 2), (700, 3)])
def test_shrinking_starts_where_piq_starts(side: int, factor: int) -> None:
    """round(side / 256) x round(side / 256) blocks; rows and columns left over are dropped."""
    metric = load("piq")
    hr = np.random.default_rng(0).integers(0, 256, (side, side + 1, 3), np.uint8)
    reference = metric.prepare(hr)
    assert reference.planes.shape == (3, side // factor, (side + 1) // factor)
    block = hr[:factor, factor : 2 * factor, 2]
    assert reference.planes.rows(slice(None))[2, 0, 1] == pytest.approx(block.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("profile", "side", "message"),
    [
        ("sparnet", 10, "SSIM's window is 11 px wide, but only 10x10 px of the 10x10 image are scored"),
        ("skimage", 6, "SSIM's window is 7 px wide"),
        ("dic", 26, "only 10x10 px of the 26x26 image are scored"),
        ("dic", 15, "cuts 8 px off each side, which leaves nothing of 15x15 px"),
    ],
)
def test_images_smaller_than_the_window_are_refused(profile: str, side: int, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        ssim(flat(0, side), flat(0, side), profile)


@pytest.mark.parametrize(("profile", "side"), [("sparnet", 11), ("skimage", 7), ("dic", 27)])
def test_one_window_is_enough(profile: str, side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    metric = load(profile)
    assert metric.map(image, metric.prepare(image)).shape == (1, 1)
    assert math.isfinite(ssim(255 - image, image, profile))


def planes(metric: Ssim, image: Image8, matched_to: Statistics | None = None) -> Any:
    """What is scored of an image, all at once."""
    scored = Scored(image, metric.convention, metric.scale, matched_to=matched_to).rows()
    found = scored[None] if scored.ndim == 2 else np.ascontiguousarray(scored.transpose(2, 0, 1))
    found = 256 - found if metric.convention.negative else found
    factor = max(1, round(min(found.shape[1:]) / 256)) if metric.convention.downsample else 1
    return average_pool(found, factor)


def whole(metric: Ssim, sr: Image8, hr: Image8) -> Any:
    """The map of every channel by the formula over whole planes, as it was computed before there were strips."""
    x, y = planes(metric, sr, metric.prepare(hr).statistics), planes(metric, hr)
    mean_x, mean_xx, mean_xy = weighted_mean(np.stack([x, x * x, x * y]), metric._window)
    mean_y, mean_yy = weighted_mean(np.stack([y, y * y]), metric._window)
    variances = metric._unbias * (mean_xx - mean_x * mean_x) + metric._unbias * (mean_yy - mean_y * mean_y)
    c2 = (0.03 * 255) ** 2
    structure = (2 * (metric._unbias * (mean_xy - mean_x * mean_y)) + c2) / (variances + c2)
    if metric.convention.clip_structure:
        structure = np.maximum(structure, 0)
    return (2 * (mean_x * mean_y) + C1) / (mean_x * mean_x + mean_y * mean_y + C1) * structure


@pytest.mark.parametrize("kept", [0, 2**22])
@pytest.mark.parametrize("rows", [1, 7, 64, 10**6])
@pytest.mark.parametrize("profile", sorted(profiles()))
def test_cut_into_strips_it_is_the_same_to_the_last_bit(
    astronaut: Image8, profile: str, rows: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hr = np.ascontiguousarray(astronaut[:131, :117])
    if get_profile(profile).convention("ssim", SsimConvention).downsample:
        hr = np.tile(hr, (3, 4, 1))  # enough to be averaged down first
    noise = np.random.default_rng(1).integers(-20, 21, hr.shape)
    sr = np.clip(hr.astype(int) + noise, 0, 255).astype(np.uint8)
    metric = load(profile, 4)
    expected = whole(metric, sr, hr)
    for module in (ssim_module, channels_module):
        monkeypatch.setattr(module, "STRIP", rows * hr.shape[1])
        monkeypatch.setattr(module, "KEPT", kept)
    reference = metric.prepare(hr)
    assert (reference.moments is None) == (kept == 0)
    assert np.array_equal(metric.maps(sr, reference), expected)
    assert metric.value(sr, reference) == float(expected.mean())


def test_a_large_picture_needs_no_array_of_its_size_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    side = 2100
    for module in (ssim_module, channels_module):
        monkeypatch.setattr(module, "STRIP", 2**17)
    hr = np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
    metric = load("sparnet")
    tracemalloc.start()
    try:
        metric.value(hr[::-1], metric.prepare(hr))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    plane = side * side * 8
    assert peak < plane, f"{peak / plane:.1f} planes"
