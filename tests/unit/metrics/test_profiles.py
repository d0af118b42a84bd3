"""Every profile against formulas written down separately."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.metrics
from numpy.typing import NDArray

from facesr_bench.api import score
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.profile import profiles

Array = NDArray[Any]
Scores = tuple[float, float]

SKIMAGE: Any = skimage  # it has no types

NAMES = {
    "sparnet",
    "dic",
    "dic-fixed",
    "sfmnet",
    "mmagic-dic",
    "basicsr-rgb",
    "basicsr-y",
    "skimage",
    "vqfr",
    "pyiqa-y",
    "pyiqa-ycbcr",
    "piq",
    "pmrf",
}


def y_limited(rgb: Array) -> Array:
    return np.asarray(16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255)


def y_full(rgb: Array) -> Array:
    return np.asarray(0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2])


def cut(image: Array, border: int) -> Array:
    return image[border:-border, border:-border]


def psnr(hr: Array, sr: Array) -> float:
    return float(SKIMAGE.metrics.peak_signal_noise_ratio(hr.astype(np.float64), sr.astype(np.float64), data_range=255))


def ssim_gaussian(hr: Array, sr: Array) -> float:
    axis = -1 if hr.ndim == 3 else None
    return float(
        SKIMAGE.metrics.structural_similarity(
            hr.astype(np.float64),
            sr.astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=axis,
        )
    )


def ssim_uniform(hr: Array, sr: Array) -> float:
    axis = -1 if hr.ndim == 3 else None
    return float(SKIMAGE.metrics.structural_similarity(hr, sr, data_range=255, channel_axis=axis))


def ssim_filter2d(hr: Array, sr: Array, *, clip: bool = False) -> float:
    """Wang's formula with a full 11x11 window, its valid part, channel by channel."""
    kernel = cv2.getGaussianKernel(11, 1.5)

    def blur(plane: Array) -> Array:
        return cut(np.asarray(cv2.filter2D(plane, -1, kernel @ kernel.T)), 5)

    values = []
    for channel in range(hr.shape[2] if hr.ndim == 3 else 1):
        x, y = (np.ascontiguousarray(i.reshape(*i.shape[:2], -1)[..., channel], np.float64) for i in (hr, sr))
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        structure = (2 * cov + 58.5225) / (vx + vy + 58.5225)
        structure = np.where(structure < 0, 0, structure) if clip else structure
        values.append(np.mean((2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025) * structure))
    return float(np.mean(values))


def of_sparnet(hr: Image8, sr: Image8) -> Scores:
    y, z = (np.floor(y_limited(i)).astype(np.uint8) for i in (hr, sr))
    return psnr(y, z), ssim_gaussian(y, z)


def of_dic(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)).astype(np.uint8), 8) * np.uint8(255) for i in (hr, sr))
    return psnr(y, z), ssim_filter2d(y, z)


def of_dic_fixed(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)), 8) for i in (hr, sr))
    return psnr(y, z), ssim_gaussian(y, z)


def of_sfmnet(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)).astype(np.uint8), 8) for i in (hr, sr))
    return psnr(y, z), ssim_uniform(y, z)


def of_mmagic_dic(hr: Image8, sr: Image8) -> Scores:
    return psnr(cut(hr, 8), cut(sr, 8)), ssim_filter2d(cut(hr, 8), cut(sr, 8))


def of_basicsr_rgb(hr: Image8, sr: Image8) -> Scores:
    return psnr(hr, sr), ssim_gaussian(hr, sr)


def of_basicsr_y(hr: Image8, sr: Image8) -> Scores:
    return psnr(y_limited(hr), y_limited(sr)), ssim_gaussian(y_limited(hr), y_limited(sr))


def of_skimage(hr: Image8, sr: Image8) -> Scores:
    return psnr(hr, sr), ssim_uniform(hr, sr)


def of_vqfr(hr: Image8, sr: Image8) -> Scores:
    """Shift, then divide by the deviation (which moves the mean again), both twice, as the script does."""
    x, y = hr / 255, sr / 255
    for channel in range(3):
        target = x[..., channel]
        for _ in range(2):
            y[..., channel] += target.mean() - y[..., channel].mean()
            y[..., channel] *= target.std() / y[..., channel].std()
    # After its last step the script's mean is off by a factor of 1, so shifting once more changes nothing.
    return psnr(x * 255, y * 255), ssim_filter2d(x * 255, y * 255)


def of_pyiqa_y(hr: Image8, sr: Image8) -> Scores:
    error = np.mean((y_full(hr / 255) - y_full(sr / 255)) ** 2)
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(np.rint(y_full(hr)), np.rint(y_full(sr)), clip=True)


def of_pyiqa_ycbcr(hr: Image8, sr: Image8) -> Scores:
    error = np.mean(((y_limited(hr) - y_limited(sr)) / 255) ** 2)
    rounded = np.rint(y_limited(hr)), np.rint(y_limited(sr))
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(*rounded, clip=True)


def of_pmrf(hr: Image8, sr: Image8) -> Scores:
    error = np.mean((hr / 255 - sr / 255) ** 2)
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(hr, sr)


def of_piq(hr: Image8, sr: Image8) -> Scores:
    torch = pytest.importorskip("torch")
    factor = max(1, round(min(hr.shape[:2]) / 256))
    x, y = (torch.from_numpy(i.astype(np.float64)).permute(2, 0, 1) for i in (hr, sr))
    pooled = [torch.nn.functional.avg_pool2d(i[None], factor)[0].permute(1, 2, 0).numpy() for i in (x, y)]
    error = float(torch.mean((x / 255 - y / 255) ** 2))
    return float(-10 * np.log10(error + 1e-8)), ssim_gaussian(pooled[0], pooled[1])


INDEPENDENT: dict[str, Callable[[Image8, Image8], Scores]] = {
    "sparnet": of_sparnet,
    "dic": of_dic,
    "dic-fixed": of_dic_fixed,
    "sfmnet": of_sfmnet,
    "mmagic-dic": of_mmagic_dic,
    "basicsr-rgb": of_basicsr_rgb,
    "basicsr-y": of_basicsr_y,
    "skimage": of_skimage,
    "vqfr": of_vqfr,
    "pyiqa-y": of_pyiqa_y,
    "pyiqa-ycbcr": of_pyiqa_ycbcr,
    "pmrf": of_pmrf,
    "piq": of_piq,
}


@pytest.fixture(scope="module")
def pairs(astronaut: Image8) -> dict[str, tuple[Image8, Image8]]:
    """(HR, SR): a face at x8, a whole picture at x8 with sides of 512 and 500 px, and a face against noise."""
    face = resize(astronaut, (128, 128))
    picture = np.ascontiguousarray(SKIMAGE.data.astronaut()[:, :500])
    noise = np.random.default_rng(0).integers(0, 256, face.shape, np.uint8)
    return {
        "face": (face, resize(resize(face, (16, 16)), (128, 128))),
        "picture": (picture, resize(resize(picture, (64, 62)), (512, 500))),
        "noise": (face, noise),
    }


@pytest.mark.parametrize("pair", ["face", "picture", "noise"])
@pytest.mark.parametrize("profile", sorted(NAMES))
def test_profile_agrees_with_independent_formulas(
    pairs: dict[str, tuple[Image8, Image8]], profile: str, pair: str
) -> None:
    hr, sr = pairs[pair]
    expected = INDEPENDENT[profile](hr, sr)
    values = score(sr, hr, profile=profile, scale=8)
    assert values["psnr"] == pytest.approx(expected[0], abs=1e-6)
    assert values["ssim"] == pytest.approx(expected[1], abs=1e-6)


def test_no_two_profiles_give_the_same_numbers(pairs: dict[str, tuple[Image8, Image8]]) -> None:
    """Or one of them would be no convention of its own. At x8 and 512 px, where borders and pooling show."""
    hr, sr = pairs["picture"]
    seen = {tuple(round(v, 7) for v in score(sr, hr, profile=name).values()) for name in NAMES}
    assert len(seen) == len(NAMES)


def test_every_profile_is_there_and_documented() -> None:
    assert set(profiles()) == NAMES
    for name, profile in profiles().items():
        assert profile.name == name
        assert re.fullmatch(r"[^.].{20,}\.", profile.summary), name
        assert profile.source, name
        for source in profile.source:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[\w.]+:[\w./-]+:[\w,-]+", source), source
