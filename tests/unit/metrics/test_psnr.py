"""PSNR: its fixed points, its errors, and `score`, which computes it from Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.api import score
from facesr_bench.base.errors import MetricError, PluginError
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.plugins.profile import get_profile, profiles
from tests.metric_tools import load_metric

RANGE_OF_LUMA = 219  # 16..235


def flat(level: int, side: int = 32) -> Image8:
    return np.full((side, side, 3), level, np.uint8)


def psnr(sr: NDArray[Any], hr: Image8, profile: str = "basicsr-rgb", scale: int = 8) -> float:
    return score(sr, hr, ["psnr"], profile, scale)["psnr"]


@pytest.mark.parametrize("profile", sorted(profiles()))
def test_identical_images_are_infinitely_alike(astronaut: Image8, profile: str) -> None:
    assert psnr(astronaut.copy(), astronaut, profile) == math.inf


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("basicsr-rgb", 0.0),
        ("skimage", 0.0),
        ("mmagic-dic", 0.0),
        ("pyiqa-y", 0.0),
        ("piq", 0.0),
        ("sparnet", 20 * math.log10(255 / RANGE_OF_LUMA)),
        ("dic", 20 * math.log10(255 / RANGE_OF_LUMA)),
        ("basicsr-y", 20 * math.log10(255 / RANGE_OF_LUMA)),
    ],
)
def test_black_against_white(profile: str, expected: float) -> None:
    assert psnr(flat(0), flat(255), profile) == pytest.approx(expected, abs=1e-6)


def test_one_level_everywhere() -> None:
    assert psnr(flat(100), flat(101)) == pytest.approx(20 * math.log10(255), abs=1e-12)


def test_the_mean_is_over_pixels_and_channels_together() -> None:
    sr = flat(100, 20)
    sr[0, 0, 1] += 30
    assert psnr(sr, flat(100, 20)) == pytest.approx(10 * math.log10(255**2 / (30**2 / (20 * 20 * 3))), abs=1e-12)


@pytest.mark.parametrize("profile", sorted(set(profiles()) - {"vqfr"}))
def test_symmetric(astronaut: Image8, profile: str) -> None:
    blurred = resize(resize(astronaut, (24, 24)), (192, 192))
    assert psnr(blurred, astronaut, profile) == psnr(astronaut, blurred, profile)


def test_turning_both_images_changes_nothing(astronaut: Image8) -> None:
    blurred = resize(resize(astronaut, (24, 24)), (192, 192))
    turned = np.rot90(blurred), np.rot90(astronaut)
    assert psnr(turned[0], turned[1], "dic") == pytest.approx(psnr(blurred, astronaut, "dic"), abs=1e-10)


def test_the_border_is_not_scored() -> None:
    sr = flat(100, 40)
    sr[:4] = sr[-4:] = 0
    sr[:, :4] = sr[:, -4:] = 0
    assert psnr(sr, flat(100, 40), "dic", scale=4) == math.inf
    assert psnr(sr, flat(100, 40), "dic", scale=3) < 30


def test_sr_in_floats_is_quantised_as_the_profile_says() -> None:
    hr = flat(100, 40)
    sr = np.full(hr.shape, 100.8 / 255, np.float32)
    assert psnr(sr, hr, "sparnet") == math.inf  # cut down to 100
    assert psnr(sr, hr, "basicsr-rgb") == psnr(flat(101, 40), hr)  # rounded to 101


def test_one_reference_serves_many_methods(astronaut: Image8) -> None:
    metric = load_metric("psnr", "vqfr", 8)
    reference = metric.prepare(astronaut)
    for side in (24, 48):
        sr = resize(resize(astronaut, (side, side)), (192, 192))
        assert metric.per_image(sr, reference) == psnr(sr, astronaut, "vqfr")


@pytest.mark.parametrize("name", ["psnr", "ssim"])
@pytest.mark.parametrize(
    ("sr", "hr", "message"),
    [
        (flat(0, 32), flat(0, 40), "SR is 32x32 and HR 40x40: only images of one size"),
        (flat(0, 40)[:, :32], flat(0, 40), "SR is 32x40 and HR 40x40"),
        (flat(0, 40)[..., 0], flat(0, 40), r"SR must be HxWx3 \(RGB\), not of shape \(40, 40\)"),
        (flat(0, 40), flat(0, 40)[..., 0], r"HR must be HxWx3 \(RGB\), not of shape \(40, 40\)"),
        (flat(0, 40).transpose(2, 0, 1), flat(0, 40), r"SR must be HxWx3 \(RGB\), not of shape \(3, 40, 40\)"),
        (flat(0, 40), flat(0, 40) / 255, "HR must be uint8, not float64"),
        (flat(0, 40).astype(np.int32), flat(0, 40), "SR must be uint8, float32 or float64, not int32"),
        (flat(9, 40).astype(np.float32), flat(0, 40), r"must lie in \[0, 1\]"),
        (flat(0, 16), flat(0, 16), "the profile cuts 8 px off each side, which leaves nothing of 16x16 px"),
    ],
)
def test_what_cant_be_compared_is_refused(name: str, sr: NDArray[Any], hr: NDArray[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        score(sr, hr, [name], "dic", 8)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_a_metric_itself_takes_only_uint8(name: str) -> None:
    metric = load_metric(name, "sparnet", 8)
    with pytest.raises(MetricError, match="SR must be uint8, not float64"):
        metric.per_image(flat(0) / 255, metric.prepare(flat(0)))  # type: ignore[arg-type]


def test_score_returns_what_was_asked_for() -> None:
    assert score(flat(7), flat(7)) == {"psnr": math.inf, "ssim": 1.0}
    assert list(score(flat(7), flat(7), metrics=["ssim"])) == ["ssim"]


def test_score_refuses_what_it_does_not_know() -> None:
    with pytest.raises(PluginError, match="no metric is called 'pnsr'; did you mean 'psnr'"):
        score(flat(0), flat(0), ["pnsr"])
    with pytest.raises(MetricError, match="no profile is called 'dicc'; did you mean 'dic'"):
        score(flat(0), flat(0), profile="dicc")
    with pytest.raises(MetricError, match=r"list of names, such as \['psnr'\]"):
        score(flat(0), flat(0), "psnr")


@pytest.mark.parametrize("scale", [0, -8, 8.0, True, "8"])
def test_scale_must_be_a_positive_whole_number(scale: Any) -> None:
    with pytest.raises(MetricError, match="scale must be a whole number"):
        load_metric("psnr", "dic", scale)


def test_a_class_that_is_not_a_metric_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impostor:
        def __init__(self, *_: object) -> None: ...

    monkeypatch.setattr(registry.Plugin, "load_class", lambda _: Impostor)
    with pytest.raises(MetricError, match="psnr: class Metric must derive from"):
        load_metric("psnr", "sparnet", 8)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_the_card_and_the_class_fit(name: str) -> None:
    metric = load_metric(name, get_profile("dic"), 4)
    assert isinstance(metric, MetricBase)
    assert isinstance(metric.card, MetricCard)
    assert (metric.card.name, metric.profile.name, metric.scale) == (name, "dic", 4)
    assert metric.card.higher_is_better
    low, high = metric.card.range
    face = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for sr in (face, 255 - face):
        assert low <= metric.per_image(sr, metric.prepare(face)) <= high
