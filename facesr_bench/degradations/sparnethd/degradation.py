"""SPARNetHD's random chain of degradations, with the constants of imgaug, the library that its authors made it with.

Written with numpy and Pillow alone. The picture is 8 bits after each step, as it is there. Every sum is taken term by
term in a fixed order, and never by a matrix product, whose order depends on the machine: so the same seed gives the
same bits everywhere, but for a JPEG library that decodes otherwise.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench import DataError, DegradationBase
from facesr_bench.images.files import Image8

Floats = NDArray[np.float32]
Taps = tuple[NDArray[np.intp], Floats]
"""Of a resize: which input lines make each output line, and with which weights; both taps x lines."""

BLURS = ("gaussian", "average", "median", "motion")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area")
BLUR_PROBABILITY = 0.5
NOISE_PROBABILITY = 0.2
JPEG_PROBABILITY = 0.7
REFERENCE_SIZE = 512
"""The side (px) that the blurs' sizes and the low sizes are given for; for another side they scale with it."""


class Degradation(DegradationBase):
    """The chain that a seed draws; see `draw_chain`."""

    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        height, width = hr.shape[:2]
        if height != width:
            raise DataError(f"degradation {self.card.name} takes square pictures, not {width}x{height}")
        # RandomState, since numpy promises its stream for ever; it takes 32 bits at a time.
        chain = draw_chain(width, np.random.RandomState([seed >> 32, seed & 0xFFFFFFFF]))
        return degraded(hr, chain), asdict(chain)


@dataclass(frozen=True)
class Chain:
    """One degradation, drawn; the picture is a function of HR and this alone.

    Attributes:
        blur: `none`, `gaussian`, `average`, `median` or `motion`.
        window: side of the blur's window, or length of the motion, px; odd but for `average`.
        sigma: of the Gaussian, px.
        angle: of the motion from the vertical, radians.
        direction: of the motion, -1 to 1: its weights run linearly from (direction + 1) / 2 to 1 minus that.
        low: side after the reduction, px.
        interpolation: `nearest`, `bilinear`, `bicubic` (both without antialiasing) or `area`.
        noise: standard deviation of the Gaussian noise, of 255; 0: none.
        per_channel: noise of its own in each channel.
        noise_seed: what the noise is drawn from.
        quality: of the JPEG; 0: none.
    """

    blur: str
    window: int
    sigma: float
    angle: float
    direction: float
    low: int
    interpolation: str
    noise: float
    per_channel: bool
    noise_seed: int
    quality: int


def draw_chain(side: int, rng: np.random.RandomState) -> Chain:
    """SPARNetHD's degradation of a face of `side` px.

    With probability 1/2 one of: Gaussian blur (sigma 3-15, cut off as `gaussian_window` says), average (3-15), median
    (3-15), motion (5-25, any angle and direction); an even side of the last two becomes the odd one above. To a side of
    32-127 by any of four interpolations. With probability 0.2 Gaussian noise of standard deviation 0-25.5, for half of
    them one value for all channels. With 0.7 JPEG of compression 10-65 (`jpeg_quality`). Order and ranges are those of
    the authors' training (Chen et al., IEEE TIP 2021) for a face of 512 px; for another, lengths scale with its side.
    """
    unit = side / REFERENCE_SIZE
    blur = BLURS[rng.randint(len(BLURS))] if rng.random_sample() < BLUR_PROBABILITY else "none"
    sigma = rng.uniform(3, 15)
    average, median, motion = int(rng.randint(3, 16)), int(rng.randint(3, 16)), int(rng.randint(5, 26))
    window = {
        "none": 1,
        "gaussian": _odd(gaussian_window(sigma) * unit),
        "average": max(1, round(average * unit)),
        "median": _odd(_odd_above(median) * unit),
        "motion": _odd(_odd_above(motion) * unit),
    }[blur]
    angle, direction = rng.uniform(0, 2 * pi), rng.uniform(-1, 1)
    low = int(rng.randint(max(1, round(32 * unit)), max(1, round(127 * unit)) + 1))
    interpolation = INTERPOLATIONS[rng.randint(len(INTERPOLATIONS))]
    noisy, noise, per_channel = rng.random_sample(), rng.uniform(0, 25.5), rng.random_sample() < 0.5
    noise_seed = int(rng.randint(2**31 - 1))
    compressed, compression = rng.random_sample(), rng.uniform(10, 65)
    return Chain(
        blur=blur,
        window=window,
        sigma=sigma * unit if blur == "gaussian" else 0.0,
        angle=angle if blur == "motion" else 0.0,
        direction=direction if blur == "motion" else 0.0,
        low=low,
        interpolation=interpolation,
        noise=noise if noisy < NOISE_PROBABILITY else 0.0,
        per_channel=bool(per_channel),
        noise_seed=noise_seed,
        quality=jpeg_quality(compression) if compressed < JPEG_PROBABILITY else 0,
    )


def gaussian_window(sigma: float) -> int:
    """Side (px) of the window that imgaug cuts a Gaussian blur off at, about 1.3 sigma from its centre."""
    return _odd_above(int((2.9 if sigma < 5 else 2.6) * sigma))


def jpeg_quality(compression: float) -> int:
    """The JPEG quality that imgaug's `compression` (0-100) stands for."""
    return round(1 + 99 * (1 - compression / 101))


def _odd_above(k: int) -> int:
    return k + 1 if k % 2 == 0 else k


def _odd(k: float) -> int:
    """The odd number nearest to k, at least 1."""
    return max(1, 2 * round((k - 1) / 2) + 1)


def degraded(hr: Image8, chain: Chain) -> Image8:
    """SxSx3 degraded, enlarged to its size by a bicubic without antialiasing (a = -0.75, OpenCV's)."""
    small = resized(_blurred(hr, chain), chain.low, chain.interpolation)
    if chain.noise:
        shape = (chain.low, chain.low, 3 if chain.per_channel else 1)
        small = _to_uint8(small + chain.noise * np.random.RandomState(chain.noise_seed).standard_normal(shape))
    if chain.quality:
        small = _jpeg(small, chain.quality)
    return resized(small, hr.shape[0], "bicubic")


def _blurred(image: Image8, chain: Chain) -> Image8:
    if chain.blur == "gaussian":
        return gaussian_blur(image, chain.sigma, chain.window)
    if chain.blur == "average":
        return average_blur(image, chain.window)
    if chain.blur == "median":
        return median_blur(image, chain.window)
    if chain.blur == "motion":
        return motion_blur(image, motion_kernel(chain.window, chain.angle, chain.direction))
    return image


def gaussian_weights(sigma: float, k: int) -> NDArray[np.float64]:
    """The k weights (k is odd) of a Gaussian of `sigma` px that is cut off at k / 2; their sum is 1."""
    weights = np.exp(-0.5 * (np.arange(-(k // 2), k // 2 + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian_blur(image: Image8, sigma: float, k: int) -> Image8:
    """HxWx3 blurred by a Gaussian in a window of k x k; mirrored at the border without repeating its pixel."""
    weights = gaussian_weights(sigma, k).astype(np.float32)
    down = _convolved(image.astype(np.float32), weights)
    return _to_uint8(_convolved(down.swapaxes(0, 1), weights).swapaxes(0, 1))


def _convolved(image: Floats, weights: Floats) -> Floats:
    """Convolved along the first axis by an odd number of symmetric weights."""
    n, r = len(image), len(weights) // 2
    padded = np.pad(image, ((r, r), (0, 0), (0, 0)), mode="reflect")
    total = weights[r] * padded[r : r + n]
    for i in range(r):
        total += weights[i] * (padded[i : i + n] + padded[2 * r - i : 2 * r - i + n])
    return np.asarray(total)


def average_blur(image: Image8, k: int) -> Image8:
    """HxWx3, each pixel the mean of k x k around it (for an even k the window reaches one further up and left)."""
    before, after = k // 2, (k - 1) // 2
    padded = np.pad(image, ((before, after), (before, after), (0, 0)), mode="reflect").astype(np.int32)
    for _ in range(2):
        sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0), (0, 0))), axis=0, dtype=np.int32)
        padded = (sums[k:] - sums[:-k]).swapaxes(0, 1)
    return _to_uint8(padded / (k * k))


def median_blur(image: Image8, k: int) -> Image8:
    """HxWx3, each pixel the median of k x k around it; k is odd and at most 15; the border pixel goes on beyond it.

    Counts, for each threshold, the pixels of the window that are not above it. A count fits 8 bits and is made of
    shifted sums, which is many times faster here than sorting each window.
    """
    if k <= 1:
        return image
    r = k // 2
    padded = np.pad(image, ((r, r), (r, r), (0, 0)), mode="edge")
    median = np.full(image.shape, padded.min(), np.uint8)
    for threshold in range(int(padded.min()), int(padded.max())):
        inside = (padded <= threshold).view(np.uint8)
        count = _window_sum(_window_sum(inside, k).transpose(1, 0, 2), k).transpose(1, 0, 2)
        median += count <= k * k // 2
    return median


def _window_sum(values: Image8, k: int) -> Image8:
    """Sums of k neighbours along the first axis, by doubling."""
    total, covered = None, 0
    power, width = values, 1
    while True:
        if k & width:
            part = power[covered:]
            total = part if total is None else total[: len(part)] + part[: len(total)]
            covered += width
        width *= 2
        if width > k:
            break
        power = power[: len(power) - width // 2] + power[width // 2 :]
    assert total is not None
    return total[: len(values) - k + 1]


def motion_kernel(k: int, angle: float, direction: float) -> NDArray[np.float64]:
    """kxk (k is odd): a line through the centre, its weights rising or falling linearly, as imgaug draws it.

    There it is a column of 8-bit weights, turned by a bilinear interpolation into 8 bits again, and divided by its sum.

    Args:
        angle: from the vertical, radians.
        direction: -1 to 1; the column's weights run from (direction + 1) / 2 to 1 minus that, top to bottom.
    """
    if k == 1:
        return np.ones((1, 1))
    r, first = k // 2, (direction + 1) / 2
    column = np.floor(255 * np.linspace(first, 1 - first, k))
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    on_column = np.interp(along, np.arange(-r - 1, r + 2), np.concatenate([[0], column, [0]]))
    kernel = np.rint(on_column * np.maximum(0, 1 - np.abs(across)))
    return np.asarray(kernel / kernel.sum())


def motion_blur(image: Image8, kernel: NDArray[np.float64]) -> Image8:
    """HxWx3, each pixel the sum of those around it times the kernel; mirrored at the border."""
    height, width = image.shape[:2]
    r = len(kernel) // 2
    padded = np.pad(image, ((r, r), (r, r), (0, 0)), mode="reflect").astype(np.float32)
    blurred = np.zeros(image.shape, np.float32)
    for y, x in np.argwhere(kernel):
        blurred += np.float32(kernel[y, x]) * padded[y : y + height, x : x + width]
    return _to_uint8(blurred)


def resized(image: Image8, side: int, kind: str) -> Image8:
    """SxSx3 brought to a side of `side` px as OpenCV does; `kind` is one of INTERPOLATIONS."""
    taps = _taps(image.shape[0], side, kind)
    down = _summed(image.astype(np.float32), taps)
    return _to_uint8(_summed(down.swapaxes(0, 1), taps).swapaxes(0, 1))


def _summed(image: Floats, taps: Taps) -> Floats:
    indices, weights = taps
    total = np.zeros((indices.shape[1], *image.shape[1:]), np.float32)
    for index, weight in zip(indices, weights, strict=True):
        total += weight[:, None, None] * image[index]
    return total


@lru_cache(maxsize=512)
def _taps(n: int, m: int, kind: str) -> Taps:
    """The taps of a resize of n lines to m."""
    scale = n / m
    lines = np.arange(m)
    if kind == "nearest":
        first, count = np.minimum((lines * scale).astype(np.intp), n - 1), 1
        weights = np.ones((1, m))
    elif kind == "area":
        first, count = (lines * scale).astype(np.intp), ceil(scale) + 1
        start = first + np.arange(count)[:, None]
        weights = np.minimum(start + 1, (lines + 1) * scale) - np.maximum(start, lines * scale)
        weights = np.maximum(weights, 0) / scale
    else:
        centre = (lines + 0.5) * scale - 0.5
        left = np.floor(centre).astype(np.intp)
        first, count = (left, 2) if kind == "bilinear" else (left - 1, 4)
        distance = np.abs(centre - (first + np.arange(count)[:, None]))
        weights = 1 - distance if kind == "bilinear" else _cubic(distance)
    indices = np.clip(first + np.arange(count)[:, None], 0, n - 1)
    return indices, weights.astype(np.float32)


def _cubic(x: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Keys' cubic kernel at distances 0 <= x <= 2."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def _to_uint8(image: NDArray[Any]) -> Image8:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def _jpeg(image: Image8, quality: int) -> Image8:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2, optimize=False)
    return np.asarray(Image.open(buffer).convert("RGB"))
