"""SPARNetHD's degradation: each part against OpenCV, Pillow or figures worked out by hand, and what chance may do."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.degradations.imgaug import (
    INTERPOLATIONS,
    average_blur,
    gaussian_blur,
    gaussian_weights,
    gaussian_window,
    jpeg_quality,
    median_blur,
    motion_blur,
    motion_kernel,
    resized,
)
from facesr_bench.degradations.sparnethd.degradation import BLURS, Chain, degraded, draw_chain

REFLECT = cv2.BORDER_REFLECT_101
FLAGS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


@pytest.fixture
def face(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(astronaut).resize((96, 96)))


def assert_rounded(ours: NDArray[np.uint8], exact: NDArray[Any]) -> None:
    """`ours` is `exact`, rounded (give or take float32) and clipped."""
    assert ours.dtype == np.uint8
    np.testing.assert_allclose(ours, np.clip(exact, 0, 255), atol=0.51)


def test_the_gaussian_is_cut_off_where_imgaug_does() -> None:
    assert {sigma: gaussian_window(sigma) for sigma in (3, 5, 8, 15)} == {3: 9, 5: 13, 8: 21, 15: 39}
    assert gaussian_window(4.9) == 15  # 14.21: even below 5
    # exp(-n^2 / 18) for n = 0, 1, 2, 3, 4 is 1, 0.94596, 0.80074, 0.60653, 0.41111; all nine sum up to 6.52868.
    by_hand = np.array([0.41111, 0.60653, 0.80074, 0.94596, 1, 0.94596, 0.80074, 0.60653, 0.41111]) / 6.52868
    np.testing.assert_allclose(gaussian_weights(3, 9), by_hand, atol=1e-5)


@pytest.mark.parametrize(("sigma", "spread"), [(3, 2.23), (5, 3.34), (8, 5.39), (15, 10.03)])
def test_cut_off_a_gaussian_is_narrower_than_its_sigma(sigma: int, spread: float) -> None:
    """The standard deviations of imgaug's kernels."""
    k = gaussian_window(sigma)
    offsets = np.arange(k) - k // 2
    assert np.sqrt((gaussian_weights(sigma, k) * offsets**2).sum()) == pytest.approx(spread, abs=0.006)


@pytest.mark.parametrize("sigma", [3.0, 6.0, 15.0])
def test_gaussian_blur_is_opencvs(face: NDArray[np.uint8], sigma: float) -> None:
    k = gaussian_window(sigma)
    exact = cv2.GaussianBlur(face.astype(np.float64), (k, k), sigma, borderType=REFLECT)
    assert_rounded(gaussian_blur(face, sigma, k), exact)


@pytest.mark.parametrize("k", [1, 3, 8, 15])
def test_average_blur_is_opencvs(face: NDArray[np.uint8], k: int) -> None:
    assert_rounded(average_blur(face, k), cv2.blur(face.astype(np.float64), (k, k), borderType=REFLECT))


@pytest.mark.parametrize("k", [1, 3, 5, 7, 9, 11, 13, 15])
def test_median_blur_is_opencvs(face: NDArray[np.uint8], k: int) -> None:
    np.testing.assert_array_equal(median_blur(face, k), cv2.medianBlur(face, k) if k > 1 else face)


def test_a_motion_has_linear_weights_along_a_line() -> None:
    # direction 0.5: from 0.75 to 0.25, of 255 and cut to 8 bits: 191, 159, 127, 95, 63; their sum is 635.
    column = np.array([191, 159, 127, 95, 63]) / 635
    kernel = motion_kernel(5, 0, 0.5)
    np.testing.assert_allclose(kernel[:, 2], column)
    assert not np.delete(kernel, 2, axis=1).any()
    np.testing.assert_allclose(motion_kernel(5, pi / 2, 0.5)[2], column)  # a quarter turn
    np.testing.assert_allclose(motion_kernel(5, pi, 0.5)[:, 2], column[::-1])
    np.testing.assert_allclose(motion_kernel(5, 0, 0)[:, 2], 0.2)
    np.testing.assert_allclose(motion_kernel(5, 0, -1)[:, 2], np.array([0, 63, 127, 191, 255]) / 636)
    np.testing.assert_array_equal(motion_kernel(1, 1.0, -1), [[1.0]])


def test_a_motion_at_an_angle_is_opencvs_rotation() -> None:
    """imgaug turns the column of weights by a bilinear interpolation of 8-bit values; OpenCV rounds places to 1/32."""
    column = np.zeros((15, 15), np.uint8)
    column[:, 7] = np.floor(255 * np.linspace(0.9, 0.1, 15))
    turned = cv2.warpAffine(column, cv2.getRotationMatrix2D((7, 7), 30, 1), (15, 15), flags=cv2.INTER_LINEAR)
    ours = motion_kernel(15, pi / 6, 0.8)
    np.testing.assert_allclose(ours, turned / turned.sum(), atol=12 / turned.sum())
    assert ours.sum() == pytest.approx(1)


def test_motion_blur_is_opencvs_filter(face: NDArray[np.uint8]) -> None:
    kernel = motion_kernel(9, 0.7, 0.3)
    assert_rounded(motion_blur(face, kernel), cv2.filter2D(face.astype(np.float64), -1, kernel, borderType=REFLECT))
    np.testing.assert_array_equal(motion_blur(face, motion_kernel(1, 1.0, 0.3)), face)


@pytest.mark.parametrize("kind", INTERPOLATIONS)
@pytest.mark.parametrize("low", [6, 23, 95])
def test_reductions_are_opencvs(face: NDArray[np.uint8], kind: str, low: int) -> None:
    assert_rounded(resized(face, low, kind), cv2.resize(face.astype(np.float64), (low, low), interpolation=FLAGS[kind]))


def test_enlarging_is_opencvs_cubic(face: NDArray[np.uint8]) -> None:
    exact = cv2.resize(face.astype(np.float64), (512, 512), interpolation=cv2.INTER_CUBIC)
    assert_rounded(resized(face, 512, "bicubic"), exact)
    # Two levels, twice as wide: the output's pixels lie a quarter from the input's. Keys' weights with a = -0.75 at
    # 1.25, 0.25, 0.75 and 1.75 are -0.10547, 0.87891, 0.26172 and -0.03516; 100 goes on to the left, 200 to the right.
    edge = np.repeat(np.array([[100, 100, 200, 200]], np.uint8), 4, axis=0)[:, :, None].repeat(3, axis=2)
    by_hand = [100, 96, 89, 123, 177, 211, 204, 200]
    assert resized(edge, 8, "bicubic")[3, :, 0].tolist() == by_hand


def test_compression_is_imgaugs() -> None:
    # 1 + 99 (1 - c / 101): 90.2, 69.6, 51.0 and 36.3.
    assert [jpeg_quality(c) for c in (10, 31, 50, 65)] == [90, 70, 51, 36]


def chains(side: int, count: int) -> Iterator[Chain]:
    rng = np.random.RandomState(5)
    return (draw_chain(side, rng) for _ in range(count))


def test_what_is_drawn_at_512_px() -> None:
    n = 4000
    drawn = list(chains(512, n))
    by_blur = {blur: [chain for chain in drawn if chain.blur == blur] for blur in BLURS}
    for found in by_blur.values():
        assert len(found) / n == pytest.approx(1 / 8, abs=0.02)
    sigmas = [chain.sigma for chain in by_blur["gaussian"]]
    assert 3 <= min(sigmas) < 3.2 and 14.8 < max(sigmas) <= 15
    assert all(chain.window == gaussian_window(chain.sigma) for chain in by_blur["gaussian"])
    windows = {blur: [chain.window for chain in found] for blur, found in by_blur.items()}
    assert set(windows["average"]) == set(range(3, 16))
    assert set(windows["median"]) == set(range(3, 16, 2)) and set(windows["motion"]) == set(range(5, 26, 2))
    # Even sides are made odd: the lowest comes of one number in 13 or 21, each other of two.
    assert windows["median"].count(3) / len(windows["median"]) == pytest.approx(1 / 13, abs=0.03)
    assert windows["motion"].count(5) / len(windows["motion"]) == pytest.approx(1 / 21, abs=0.03)
    directions = [chain.direction for chain in by_blur["motion"]]
    assert -1 <= min(directions) < -0.9 and 0.9 < max(directions) <= 1
    assert {chain.low for chain in drawn} == set(range(32, 128))
    for interpolation in INTERPOLATIONS:
        assert sum(chain.interpolation == interpolation for chain in drawn) / n == pytest.approx(1 / 4, abs=0.03)
    noises = [chain.noise for chain in drawn if chain.noise]
    assert len(noises) / n == pytest.approx(0.2, abs=0.02)
    assert 25 < max(noises) <= 25.5
    qualities = [chain.quality for chain in drawn if chain.quality]
    assert len(qualities) / n == pytest.approx(0.7, abs=0.03)
    assert set(qualities) == set(range(36, 91))


def test_a_smaller_face_is_degraded_in_proportion() -> None:
    drawn = list(chains(64, 500))
    assert {chain.low for chain in drawn} == set(range(4, 17))
    gaussian = [chain for chain in drawn if chain.blur == "gaussian"]
    assert max(chain.sigma for chain in gaussian) <= 15 / 8
    assert {chain.window for chain in gaussian} == {1, 3, 5}  # of 9 to 39
    assert {chain.window for chain in drawn if chain.blur == "median"} == {1}


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("blur", ["none", *BLURS])
def test_every_drawn_chain_can_be_applied(face: NDArray[np.uint8], blur: str, interpolation: str) -> None:
    """The first such chain; the result is another picture of the same size."""
    chain = next(c for c in chains(96, 1000) if (c.blur, c.interpolation) == (blur, interpolation))
    lr = degraded(face, chain)
    assert lr.shape == face.shape and not np.array_equal(lr, face)
    assert abs(float(lr.mean()) - float(face.mean())) < 12
    assert np.array_equal(degraded(face, chain), lr)


def test_noise_is_grey_where_it_is_not_per_channel() -> None:
    flat = np.full((512, 512, 3), 128, np.uint8)
    noisy = [chain for chain in chains(512, 200) if chain.noise > 5 and not chain.quality]
    assert {chain.per_channel for chain in noisy} == {True, False}
    for chain in noisy:
        assert (np.ptp(degraded(flat, chain).astype(int), axis=2).max() > 0) == chain.per_channel
