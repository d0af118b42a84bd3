"""SPARNetHD's degradation: each part against OpenCV or Pillow, and what chance may do with the whole."""

from __future__ import annotations

from math import pi

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesr_bench.training import degradation
from facesr_bench.training.degradation import (
    BLURS,
    INTERPOLATIONS,
    average_blur,
    blind,
    draw_chain,
    gaussian_blur,
    median_blur,
    motion_blur,
)

REFLECT = cv2.BORDER_REFLECT_101


@pytest.fixture
def face(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(astronaut).resize((96, 96)))


@pytest.mark.parametrize("sigma", [0.5, 3.0, 15.0])
def test_gaussian_blur_is_opencvs(face: NDArray[np.uint8], sigma: float) -> None:
    k = 2 * int(np.ceil(4 * sigma)) + 1
    expected = cv2.GaussianBlur(face.astype(np.float32), (k, k), sigma, borderType=REFLECT)
    np.testing.assert_allclose(gaussian_blur(face, sigma), expected, atol=2e-3)


@pytest.mark.parametrize("k", [1, 3, 8, 15])
def test_average_blur_is_opencvs(face: NDArray[np.uint8], k: int) -> None:
    expected = cv2.blur(face.astype(np.float32), (k, k), borderType=REFLECT)
    np.testing.assert_allclose(average_blur(face, k), expected, atol=2e-3)


@pytest.mark.parametrize("k", [1, 3, 5, 7, 9, 11, 13, 15])
def test_median_blur_is_pillows_inside(face: NDArray[np.uint8], k: int) -> None:
    inside = slice(k // 2, face.shape[0] - k // 2)
    expected = np.asarray(Image.fromarray(face).filter(ImageFilter.MedianFilter(k)))
    np.testing.assert_array_equal(median_blur(face, k)[inside, inside], expected[inside, inside])


def test_median_blur_mirrors_at_the_border(face: NDArray[np.uint8]) -> None:
    padded = np.pad(face, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    assert np.array_equal(median_blur(face, 5), median_blur(padded, 5)[4:-4, 4:-4])


def test_motion_blur_along_a_row_and_along_a_column(face: NDArray[np.uint8]) -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    line = motion_blur(point, 9, 0.0)[..., 0]
    assert np.flatnonzero(line.sum(1) > 1e-3).tolist() == [15]
    assert line.sum() == pytest.approx(255, rel=1e-5)
    assert np.flatnonzero(line[15] > 1e-3).tolist() == list(range(11, 20))
    np.testing.assert_allclose(motion_blur(point, 9, pi / 2)[..., 0], line.T, atol=1e-3)
    np.testing.assert_allclose(motion_blur(face, 1, 1.0), face)


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        ("nearest", cv2.INTER_NEAREST),
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
        ("area", cv2.INTER_AREA),
    ],
)
@pytest.mark.parametrize("low", [6, 23, 95])
def test_reductions_are_opencvs(face: NDArray[np.uint8], kind: str, flag: int, low: int) -> None:
    image = face.astype(np.float32)
    ours = degradation._apply(degradation._resize_matrix(96, low, kind), image)
    np.testing.assert_allclose(ours, cv2.resize(image, (low, low), interpolation=flag), atol=1e-2)


def test_the_whole_is_a_function_of_its_generator(face: NDArray[np.uint8]) -> None:
    first, again, other = (blind(face, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == face.shape and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_what_is_drawn_at_512_px() -> None:
    rng = np.random.default_rng(5)
    n = 4000
    chains = [draw_chain(512, rng) for _ in range(n)]
    ranges = {"gaussian": (3, 15), "average": (3, 15), "median": (3, 15), "motion": (5, 25)}
    for blur, (least, most) in ranges.items():
        strengths = [chain.strength for chain in chains if chain.blur == blur]
        assert len(strengths) / n == pytest.approx(1 / 8, abs=0.02)
        assert least <= min(strengths) < least + 0.5 and most - 0.5 < max(strengths) <= most
    assert {chain.strength for chain in chains if chain.blur == "median"} == {3, 5, 7, 9, 11, 13, 15}
    assert {chain.low for chain in chains} == set(range(32, 128))
    for interpolation in ("nearest", "bilinear", "bicubic", "area"):
        assert sum(chain.interpolation == interpolation for chain in chains) / n == pytest.approx(1 / 4, abs=0.03)
    noises = [chain.noise for chain in chains if chain.noise]
    assert len(noises) / n == pytest.approx(0.2, abs=0.02)
    assert 25 < max(noises) <= 25.5
    qualities = [chain.quality for chain in chains if chain.quality]
    assert len(qualities) / n == pytest.approx(0.7, abs=0.03)
    assert set(qualities) == set(range(35, 91))


def test_a_smaller_face_is_degraded_in_proportion() -> None:
    rng = np.random.default_rng(5)
    chains = [draw_chain(64, rng) for _ in range(500)]
    assert {chain.low for chain in chains} == set(range(4, 17))
    assert max(chain.strength for chain in chains if chain.blur == "gaussian") <= 15 / 8
    assert {chain.strength for chain in chains if chain.blur == "median"} == {1}


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("blur", ["none", *BLURS])
def test_every_drawn_chain_can_be_applied(face: NDArray[np.uint8], blur: str, interpolation: str) -> None:
    """Seeds are tried until this chain comes up; the result is another picture of the same size."""
    for seed in range(400):
        chain = draw_chain(96, np.random.default_rng(seed))
        if (chain.blur, chain.interpolation) == (blur, interpolation):
            lr = blind(face, np.random.default_rng(seed))
            assert lr.shape == face.shape and not np.array_equal(lr, face)
            assert abs(float(lr.mean()) - float(face.mean())) < 12
            return
    pytest.fail("never drawn")


def test_noise_is_grey_where_it_is_not_per_channel() -> None:
    flat = np.full((512, 512, 3), 128, np.uint8)
    seen = set()
    for seed in range(200):
        chain = draw_chain(512, np.random.default_rng(seed))
        if chain.noise > 5 and not chain.quality:
            lr = blind(flat, np.random.default_rng(seed)).astype(int)
            assert (np.ptp(lr, axis=2).max() > 0) == chain.per_channel
            seen.add(chain.per_channel)
    assert seen == {True, False}
