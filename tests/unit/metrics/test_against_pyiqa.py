"""Profile `pyiqa-y` and the RGB profiles equal pyiqa itself; skips where the extra `pyiqa` is not installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from facesr_bench.api import score
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize

pyiqa: Any = pytest.importorskip("pyiqa")
torch: Any = pytest.importorskip("torch")


def studio_pairs(astronaut: Image8) -> list[tuple[Image8, Image8]]:
    """As `pairs`, with no studio-range luma that ends in .5."""
    return [(without_studio_ties(sr), without_studio_ties(hr)) for sr, hr in pairs(astronaut)]


def without_studio_ties(image: Image8) -> Image8:
    """One more or less of red where 16 + (65.481 R + 128.553 G + 24.966 B) / 255 would lie halfway between levels."""
    parts = image.astype(int) @ (65481, 128553, 24966)
    changed = image.copy()
    changed[..., 0] ^= (np.abs(parts % 255000 - 127500) < 10).astype(np.uint8)
    return changed


def pairs(astronaut: Image8) -> list[tuple[Image8, Image8]]:
    """SR and HR: random ones, a face with noise, and a face upsampled; no luma ends in .5.

    There pyiqa's float32 falls to either side by chance, which moves SSIM by 1e-5.
    """
    rng = np.random.default_rng(7)
    random = [(rng.integers(0, 256, shape, np.uint8), rng.integers(0, 256, shape, np.uint8)) for shape in SHAPES]
    noisy = np.clip(astronaut + rng.normal(0, 20, astronaut.shape), 0, 255).astype(np.uint8)
    upsampled = resize(resize(astronaut, (24, 24)), (192, 192))
    chosen = [*random, (noisy, astronaut), (upsampled, astronaut)]
    return [(without_ties(sr), without_ties(hr)) for sr, hr in chosen]


def without_ties(image: Image8) -> Image8:
    """One more or less of red where the luma, .299 R + .587 G + .114 B, would lie halfway between two levels."""
    thousandths = image.astype(int) @ (299, 587, 114)
    changed = image.copy()
    changed[..., 0] ^= (thousandths % 1000 == 500).astype(np.uint8)
    return changed


SHAPES = [(128, 128, 3), (97, 131, 3), (32, 40, 3)]


def theirs(name: str, sr: Image8, hr: Image8, **options: Any) -> float:
    metric = pyiqa.create_metric(name, device="cpu", **options)
    return float(metric(*(torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))[None] for image in (sr, hr))))


def test_luma(astronaut: Image8) -> None:
    for sr, hr in pairs(astronaut):
        ours = score(sr, hr, ["psnr", "ssim"], "pyiqa-y")
        assert ours["psnr"] == pytest.approx(theirs("psnry", sr, hr), abs=1e-4)
        assert ours["psnr"] == pytest.approx(theirs("psnr", sr, hr, test_y_channel=True), abs=1e-4)
        assert ours["ssim"] == pytest.approx(theirs("ssim", sr, hr), abs=1e-6)


def test_studio_range_luma(astronaut: Image8) -> None:
    """As OSEDiff, SinSR and InvSR ask for it."""
    asked = {"test_y_channel": True, "color_space": "ycbcr"}
    for sr, hr in studio_pairs(astronaut):
        ours = score(sr, hr, ["psnr", "ssim"], "pyiqa-ycbcr")
        assert ours["psnr"] == pytest.approx(theirs("psnr", sr, hr, **asked), abs=1e-4)
        assert ours["ssim"] == pytest.approx(theirs("ssim", sr, hr, **asked), abs=1e-6)


def test_rgb(astronaut: Image8) -> None:
    for sr, hr in pairs(astronaut):
        assert score(sr, hr, ["psnr"], "basicsr-rgb")["psnr"] == pytest.approx(theirs("psnr", sr, hr), abs=1e-4)


def test_equal_images(astronaut: Image8) -> None:
    """Its epsilon caps PSNR at 80 dB, a number that an average would take for a measurement; here it is infinite."""
    ours = score(astronaut, astronaut, ["psnr", "ssim"], "pyiqa-y")
    assert theirs("psnry", astronaut, astronaut) == pytest.approx(80, abs=1e-4)
    assert ours["psnr"] == math.inf
    assert ours["ssim"] == pytest.approx(theirs("ssim", astronaut, astronaut), abs=1e-6)
    one_level = astronaut.copy()
    one_level[50, 60, 0] ^= 1
    near = score(one_level, astronaut, ["psnr"], "pyiqa-y")["psnr"]
    assert near == pytest.approx(theirs("psnry", one_level, astronaut), abs=1e-3)
    assert near < 80


def test_studio_range_is_another_number(astronaut: Image8) -> None:
    """What users of pyiqa stumble over: its luma reads 1.3 dB below the papers' unless asked for `ycbcr`."""
    sr = resize(resize(astronaut, (24, 24)), (192, 192))
    full = theirs("psnry", sr, astronaut)
    studio = theirs("psnry", sr, astronaut, color_space="ycbcr")
    assert studio - full == pytest.approx(20 * np.log10(255 / 219), abs=0.02)
    assert score(sr, astronaut, ["psnr"], "basicsr-y")["psnr"] == pytest.approx(studio, abs=0.01)
