"""The degradations of blind restoration against their authors' steps, done here with OpenCV and torchvision."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)

from facesr_bench.base.errors import PluginError
from facesr_bench.data import degradation
from facesr_bench.degradations import imgaug, opencv
from facesr_bench.degradations.gfpgan import degradation as gaussian
from facesr_bench.degradations.hifacegan import degradation as hifacegan
from facesr_bench.images.files import read_image
from facesr_bench.plugins.degradation import DegradationContext, find_degradation, make_degradation

GAUSSIAN = ("gfpgan", "vqfr", "codeformer-2", "codeformer-3", "difface-grid")
LINEAR, CUBIC = cv2.INTER_LINEAR, cv2.INTER_CUBIC


@pytest.fixture(scope="module")
def face(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """512 px, smooth as an enlarged face is."""
    return np.asarray(Image.fromarray(astronaut).resize((512, 512), Image.Resampling.BICUBIC))


def options(name: str) -> gaussian.Options:
    made = make_degradation(find_degradation(name), 1)
    found: gaussian.Options = made.options  # type: ignore[attr-defined]
    return found


def chains(name: str, count: int) -> list[gaussian.Chain]:
    rng = np.random.RandomState(11)
    # A plug-in's class lives in a module of its own, and so do its options.
    chosen = gaussian.Options.model_validate(options(name).model_dump())
    return [gaussian.draw_chain(512, chosen, rng) for _ in range(count)]


def kernel_by_inverse(side: int, sigma_x: float, sigma_y: float, theta: float) -> NDArray[np.float64]:
    """BasicSR's way: exp(-x' C^-1 x / 2) with the covariance C turned by theta."""
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    inverse = np.linalg.inv(turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T)
    kernel = np.empty((side, side))
    for row in range(side):
        for column in range(side):
            place = np.array([column - side // 2, row - side // 2])
            kernel[row, column] = np.exp(-0.5 * place @ inverse @ place)
    return np.asarray(kernel / kernel.sum())


def decoded(data: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def step_by_step(hr: NDArray[np.uint8], chain: gaussian.Chain) -> NDArray[np.uint8]:
    """As the training of GFPGAN does it: float32 of 0 to 1, blue first, OpenCV; then torchvision."""
    image: Any = hr[..., ::-1].astype(np.float32) / 255
    image = cv2.filter2D(image, -1, kernel_by_inverse(41, chain.sigma_x, chain.sigma_y, chain.theta))
    side = int(512 // chain.reduction)
    image = cv2.resize(image, (side, side), interpolation=LINEAR)
    noise = np.random.RandomState(chain.noise_seed).standard_normal((side, side, 3))[..., ::-1]
    image = np.clip(image + np.float32(noise) * chain.noise / 255, 0, 1)
    _, data = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, chain.quality])
    image = decoded(data).astype(np.float32) / 255
    image = cv2.resize(image, (512, 512), interpolation=LINEAR)
    if chain.shift:
        image = np.clip(image + np.array(chain.shift[::-1], np.float32) / 255, 0, 1)
    if chain.grey:
        image = np.tile(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None], [1, 1, 3])
    tensor = torch.from_numpy(np.ascontiguousarray(image[..., ::-1], np.float32)).permute(2, 0, 1)
    adjust = {
        "brightness": adjust_brightness,
        "contrast": adjust_contrast,
        "saturation": adjust_saturation,
        "hue": adjust_hue,
    }
    for name, amount in chain.jitter:
        tensor = adjust[str(name)](tensor, float(amount))
    return np.asarray((tensor * 255).round().clamp(0, 255).permute(1, 2, 0).to(torch.uint8))


def assert_close(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], apart: float = 1e-3) -> None:
    """Equal but for a share `apart` of the values: float32 rounds a few otherwise; JPEG spreads that over a block."""
    assert ours.shape == theirs.shape and ours.dtype == np.uint8
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    assert (difference > 1).mean() <= apart, difference.max()
    assert (difference > 0).mean() <= 0.02
    assert difference.mean() < 0.03


@pytest.mark.parametrize("name", GAUSSIAN)
def test_a_chain_is_that_of_its_authors_step_by_step(face: NDArray[np.uint8], name: str) -> None:
    drawn = chains(name, 3)
    for chain in drawn:
        assert_close(gaussian.degraded(face, chain), step_by_step(face, chain))


def test_changes_of_colour_are_torchvisions_and_opencvs(face: NDArray[np.uint8]) -> None:
    drawn = chains("gfpgan", 400)
    some = [next(c for c in drawn if c.shift and not c.jitter), next(c for c in drawn if c.jitter and not c.shift)]
    some += [next(c for c in drawn if c.grey), next(c for c in drawn if c.jitter and c.jitter[0][0] == "hue")]
    for chain in some:
        assert_close(gaussian.degraded(face, chain), step_by_step(face, chain))
    coloured = gaussian.degraded(face, some[0])
    assert not np.array_equal(coloured, gaussian.degraded(face, gaussian.Chain(**{**vars(some[0]), "shift": []})))


@pytest.mark.parametrize(("sigma_x", "sigma_y", "theta"), [(3.0, 3.0, 0.0), (0.1, 10, 0.4), (12, 4, 0.75 * pi)])
def test_the_blur_is_opencvs_filter(face: NDArray[np.uint8], sigma_x: float, sigma_y: float, theta: float) -> None:
    kernel = kernel_by_inverse(41, sigma_x, sigma_y, theta)
    np.testing.assert_allclose(opencv.gaussian_kernel(41, sigma_x, sigma_y, theta), kernel, atol=1e-14)
    small = face[:160, :200].astype(np.float64)
    expected = cv2.filter2D(small, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(opencv.filtered(small, kernel), expected, atol=1e-9)
    lopsided = np.arange(15.0).reshape(3, 5) / 105  # a filter does not turn its kernel
    expected = cv2.filter2D(small, -1, lopsided, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(opencv.filtered(small, lopsided), expected, atol=1e-9)


@pytest.mark.parametrize("size", [(31, 44), (200, 300), (333, 210)])
def test_resizing_is_opencvs(face: NDArray[np.uint8], size: tuple[int, int]) -> None:
    picture = face[:160, :200].astype(np.float64)
    for kind, flag in {"bilinear": LINEAR, "bicubic": CUBIC}.items():
        expected = cv2.resize(picture, size[::-1], interpolation=flag)
        # OpenCV keeps the weights in float32.
        np.testing.assert_allclose(opencv.resized(picture, *size, kind), expected, atol=1e-3)


def test_a_tie_but_for_the_last_bits_is_a_tie() -> None:
    near = np.array([0.5, 1.5, 2.5, 254.5, -3.0, 300.0])
    for shaken in (near, np.nextafter(near, 0), np.nextafter(near, 999), near + 1e-12):
        assert opencv.to_uint8(shaken).tolist() == [0, 2, 2, 254, 0, 255]


def test_jpeg_is_opencvs_of_the_same_quality(face: NDArray[np.uint8]) -> None:
    for quality in (10, 37, 75, 100):
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(face[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
        np.testing.assert_array_equal(opencv.jpeg(face, quality), decoded(data)[..., ::-1])


FIGURES: dict[str, dict[str, tuple[float, float]]] = {
    "gfpgan": {"sigma_x": (0.1, 10), "reduction": (0.8, 8), "noise": (0, 20), "quality": (60, 99)},
    "vqfr": {"sigma_x": (0.1, 10), "reduction": (0.8, 8), "noise": (0, 20), "quality": (60, 99)},
    "codeformer-2": {"sigma_x": (1, 15), "reduction": (4, 30), "noise": (0, 20), "quality": (30, 79)},
    "codeformer-3": {"sigma_x": (0.1, 15), "reduction": (1, 30), "noise": (0, 20), "quality": (30, 99)},
    "difface-grid": {"sigma_x": (4, 16), "reduction": (4, 40), "noise": (1, 20), "quality": (30, 70)},
}


@pytest.mark.parametrize("name", GAUSSIAN)
def test_what_is_drawn_fills_the_authors_ranges(name: str) -> None:
    drawn = chains(name, 3000)
    for field, (low, high) in FIGURES[name].items():
        values = [getattr(chain, field) for chain in drawn]
        assert low <= min(values) <= low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) <= max(values) <= high
    assert all(chain.low == int(512 // chain.reduction) and chain.window == 41 for chain in drawn)
    round_ones = sum(chain.sigma_x == chain.sigma_y and chain.theta == 0 for chain in drawn) / 3000
    if name != "difface-grid":
        assert round_ones == pytest.approx(0.5, abs=0.03)
        assert -pi <= min(c.theta for c in drawn) < -3.1 and 3.1 < max(c.theta for c in drawn) <= pi
    coloured = [sum(map(bool, (getattr(c, what) for c in drawn))) / 3000 for what in ("shift", "jitter", "grey")]
    assert coloured == (pytest.approx([0.3, 0.3, 0.01], abs=0.03) if name == "gfpgan" else [0, 0, 0])


def test_the_grid_and_the_second_strength() -> None:
    grid = chains("difface-grid", 3000)
    assert {chain.sigma_y for chain in grid} == {4, 8, 12, 16}
    assert {round(chain.theta / pi, 9) for chain in grid} == {0, 0.25, 0.5, 0.75}
    assert {chain.reduction for chain in grid} == set(range(4, 41, 4))
    assert {chain.noise for chain in grid} == {1, 5, 10, 15, 20} and {c.quality for c in grid} == {30, 40, 50, 60, 70}
    both = chains("codeformer-3", 3000)
    large = [chain for chain in both if chain.large]
    assert len(large) / 3000 == pytest.approx(0.5, abs=0.03)
    assert min(chain.reduction for chain in large) >= 4 and max(chain.quality for chain in large) < 80
    light = [chain for chain in both if not chain.large]
    assert max(chain.reduction for chain in light) <= 12 and max(chain.noise for chain in light) <= 15


def imgaugs(hr: NDArray[np.uint8], chain: hifacegan.Chain) -> NDArray[np.uint8]:
    """HiFaceGAN's four steps on a picture with blue first, by OpenCV and Pillow."""
    image: Any = np.ascontiguousarray(hr[..., ::-1])
    for step in chain.order:
        if step == "blur" and chain.blur == "gaussian":
            image = cv2.GaussianBlur(
                image, (chain.window, chain.window), chain.sigma, borderType=cv2.BORDER_REFLECT_101
            )
        elif step == "blur":
            kernel = imgaug.motion_kernel(chain.window, chain.angle, chain.direction)
            exact = cv2.filter2D(image.astype(np.float64), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
            image = np.rint(exact).clip(0, 255).astype(np.uint8)
        elif step == "noise":
            rng = np.random.RandomState(chain.noise_seed)
            noise: NDArray[Any]
            if chain.noise == "gaussian":
                noise = rng.standard_normal(image.shape) * chain.strength
            elif chain.noise == "laplace":
                noise = rng.laplace(0, chain.strength, image.shape)
            else:
                noise = rng.poisson(chain.strength, image.shape) * rng.choice([-1, 1], image.shape)
            image = (image.astype(int) + np.rint(noise[..., ::-1]).astype(int)).clip(0, 255).astype(np.uint8)
        elif step == "jpeg":
            image = opencv.jpeg(image, chain.quality)
        else:
            for side in (chain.low, 512):
                image = cv2.resize(image, (side, side), interpolation=CUBIC)
    return np.asarray(image[..., ::-1])


def test_hifacegans_steps_are_those_of_imgaug(face: NDArray[np.uint8]) -> None:
    """OpenCV's 8-bit blurs and resizes use integers, and are a level off for a few values; JPEG then spreads that."""
    rng = np.random.RandomState(3)
    drawn = [hifacegan.draw_chain(512, rng) for _ in range(60)]
    seen: set[tuple[str, str]] = set()
    for chain in drawn:
        if (chain.blur, chain.noise) not in seen:
            seen.add((chain.blur, chain.noise))
            ours, theirs = hifacegan.degraded(face, chain).astype(int), imgaugs(face, chain).astype(int)
            assert np.abs(ours - theirs).mean() < 0.6
            assert abs((ours - theirs).mean()) < 0.1
    assert len(seen) == 6


def test_what_hifacegan_draws() -> None:
    rng = np.random.RandomState(5)
    drawn = [hifacegan.draw_chain(512, rng) for _ in range(3000)]
    assert len({tuple(chain.order) for chain in drawn}) == 24
    assert {chain.window for chain in drawn if chain.blur == "motion"} == {11, 13, 15, 17, 19, 21}
    sigmas = [chain.sigma for chain in drawn if chain.blur == "gaussian"]
    assert 3 <= min(sigmas) < 3.02 and 7.98 < max(sigmas) <= 8
    for kind, (low, high) in {"gaussian": (20, 40), "laplace": (20, 40), "poisson": (15, 30)}.items():
        values = [chain.strength for chain in drawn if chain.noise == kind]
        assert len(values) / 3000 == pytest.approx(1 / 3, abs=0.03)
        assert low <= min(values) < low + 0.2 and high - 0.2 < max(values) <= high
    assert {chain.quality for chain in drawn} == set(range(17, 52))  # 16.68 to 50.99, rounded
    assert {chain.low for chain in drawn} == set(range(64, 129))


PSNR = {
    "sparnethd": (22, 27),
    "gfpgan": (20, 26),
    "vqfr": (23.5, 27),
    "codeformer-2": (20, 24.5),
    "codeformer-3": (21.5, 26),
    "difface-grid": (19.5, 24),
    "hifacegan": (19.5, 25),
}
"""CelebA-Test's LQ pictures, which are of VQFR's ranges, have 25.35 dB; a chain with wider ranges has less."""


@pytest.mark.parametrize("name", PSNR)
def test_the_mean_psnr_is_plausible(shared: Path, name: str) -> None:
    files = sorted((shared / "faces" / "hq512").glob("*.jpg"))[:10]
    made = make_degradation(find_degradation(name), 1)
    found = []
    for file in files:
        hr = read_image(file)
        lr, _ = degradation.apply(made, hr, degradation.seed_of(f"hq512-{name}", file.stem))
        found.append(10 * np.log10(255**2 / ((lr.astype(float) - hr) ** 2).mean()))
    low, high = PSNR[name]
    assert len(files) == 10 and low < np.mean(found) < high


def test_wrong_options_are_said() -> None:
    card = find_degradation("gfpgan").require_card()
    wrong = card.model_copy(update={"options": {**card.options, "sigma": [1], "blur": 3}})
    with pytest.raises(PluginError, match=r"degradation gfpgan, card\.toml: options\.sigma.*options\.blur: Extra"):
        gaussian.Degradation(DegradationContext(wrong, 1))
