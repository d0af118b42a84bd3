"""From a float picture to what metrics are computed on: quantisation, luma, matched statistics."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.api import score
from facesr_bench.base.errors import MetricError
from facesr_bench.functional import channels
from facesr_bench.images import quantise
from facesr_bench.images.files import Image8
from facesr_bench.images.quantise import Quantise
from facesr_bench.images.resize import resize


def _levels(dtype: Any) -> NDArray[Any]:
    """Every k / 255, k = 0..255, as a 16x16 picture with three equal channels."""
    values = np.arange(256, dtype=dtype) / dtype(255)
    return np.repeat(values.reshape(16, 16, 1), 3, axis=2)


@pytest.mark.parametrize("mode", ["round", "truncate"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_levels_survive(mode: Quantise, dtype: Any) -> None:
    expected = np.arange(256).reshape(16, 16)
    exact = _levels(dtype)
    there_and_back = (exact * dtype(2) - dtype(1) + dtype(1)) / dtype(2)
    for levels in exact, there_and_back, np.nextafter(exact, dtype(0)):
        assert np.array_equal(quantise.quantise(levels, mode)[..., 1], expected)


def test_plain_truncation_would_lose_levels() -> None:
    """Why there is a slack: through [-1, 1] in float32, as every SPARNet output goes."""
    exact = _levels(np.float32)
    there_and_back = (exact * np.float32(2) - np.float32(1) + np.float32(1)) / np.float32(2)
    lost = (there_and_back * np.float32(255)).astype(np.uint8)[..., 0].ravel() != np.arange(256)
    assert lost.sum() > 30  # 63 with IEEE arithmetic


def test_truncation_drops_the_fraction_and_rounding_does_not() -> None:
    sr = np.full((2, 2, 3), 100.7 / 255)
    assert quantise.quantise(sr, "truncate").max() == 100
    assert quantise.quantise(sr, "round").min() == 101
    assert quantise.quantise(np.full((2, 2, 3), 100.99 / 255), "truncate").max() == 100


@pytest.mark.parametrize(
    ("sr", "message"),
    [
        (np.full((4, 4, 3), 200.0), r"must lie in \[0, 1\].* 200 to 200.*divide by 255"),
        (np.full((4, 4, 3), -0.01), r"must lie in \[0, 1\]"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), np.inf), r"must lie in \[0, 1\]"),
        (np.full((4, 4, 3), 1, np.int64), "not int64"),
        (np.full((4, 4, 3), 0.5, np.float16), "not float16"),
        (np.full((4, 4), 0.5), r"HxWx3 \(RGB\), not of shape \(4, 4\)"),
        (np.full((3, 4, 4), 0.5), r"not of shape \(3, 4, 4\)"),
        (np.full((0, 4, 3), 0.5), r"not of shape \(0, 4, 3\)"),
    ],
)
def test_quantise_refuses(sr: NDArray[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        quantise.quantise(sr, "round")


def test_float_noise_outside_the_range_is_clipped() -> None:
    sr = np.array([-1e-5, 0.5, 1 + 1e-5] * 3).reshape(1, 3, 3)
    assert quantise.quantise(sr, "round")[0, 0].tolist() == [0, 128, 255]


def test_luma_is_exact_for_every_grey_and_many_colours() -> None:
    """Against fractions, so that floor and round can be trusted at the whole levels."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    # The two named colours lie on a whole level, and the formula in plain floats puts them just below it.
    colours = np.concatenate(
        [greys, np.random.default_rng(1).integers(0, 256, (2000, 3), np.uint8), [[2, 248, 209], [3, 119, 125]]]
    ).astype(np.uint8)[None]
    for luma, weights, offset in (
        (channels.luma_bt601, ("65.481", "128.553", "24.966"), 16),
        (channels.luma_full, ("76.245", "149.685", "29.07"), 0),
    ):
        exact = [
            sum((Fraction(w) * int(v) / 255 for w, v in zip(weights, colour, strict=True)), Fraction(offset))
            for colour in colours[0]
        ]
        values = luma(colours)[0]
        assert np.allclose(values, [float(e) for e in exact], rtol=0, atol=1e-12)
        assert np.floor(values).tolist() == [e.numerator // e.denominator for e in exact]
        assert np.rint(values).tolist() == [round(e) for e in exact]


def test_luma_range() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert channels.luma_bt601(ends)[0].tolist() == [16, 235]
    assert channels.luma_full(ends)[0].tolist() == [0, 255]


def test_matching_gives_hrs_mean_and_deviation(astronaut: Image8) -> None:
    sr = resize(resize(astronaut, (24, 24)), (192, 192))
    matched = channels.match(sr, channels.statistics(astronaut))
    for channel in range(3):
        assert matched[..., channel].mean() == pytest.approx(astronaut[..., channel].mean(), abs=1e-9)
        assert matched[..., channel].std() == pytest.approx(astronaut[..., channel].std(), abs=1e-9)


def test_matching_an_image_to_itself_changes_nothing(astronaut: Image8) -> None:
    assert np.array_equal(channels.match(astronaut, channels.statistics(astronaut)), astronaut)


def test_matching_refuses_a_constant_channel(astronaut: Image8) -> None:
    flat = astronaut.copy()
    flat[..., 2] = 7
    with pytest.raises(MetricError, match="a channel of SR is constant"):
        score(flat, astronaut, profile="vqfr")
    # A constant HR is no obstacle: SR becomes constant too.
    assert np.unique(channels.match(astronaut, channels.statistics(flat))[..., 2]) == pytest.approx(7)
