"""How LR is made in training: Pillow's bicubic, or SPARNetHD's random chain of degradations.

Written with numpy and Pillow alone, so that threads can prepare samples beside torch.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.images.files import Image8

Floats = NDArray[np.float32]

BLURS = ("gaussian", "average", "median", "motion")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area")
BLUR_PROBABILITY = 0.5
NOISE_PROBABILITY = 0.2
JPEG_PROBABILITY = 0.7
REFERENCE_SIZE = 512
"""The side (px) that the blurs' sizes and the low sizes are given for; for another side they scale with it."""


def reduced(hr: Image.Image, scale: int) -> Image.Image:
    """`hr` reduced by `scale`, by Pillow's bicubic."""
    return hr.resize((hr.width // scale, hr.height // scale), Image.Resampling.BICUBIC)


def bicubic(hr: Image.Image, scale: int) -> Image.Image:
    """`hr` reduced by `scale` and enlarged again, both by Pillow's bicubic."""
    return reduced(hr, scale).resize(hr.size, Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Chain:
    """One degradation, drawn.

    Attributes:
        blur: `none`, `gaussian`, `average`, `median` or `motion`.
        strength: sigma of the Gaussian, or side or length of the window, px.
        angle: of the motion, radians.
        low: side after the reduction, px.
        interpolation: `nearest`, `bilinear`, `bicubic` (both without antialiasing) or `area`.
        noise: standard deviation of the Gaussian noise, of 255; 0: none.
        per_channel: noise of its own in each channel.
        quality: of the JPEG; 0: none.
    """

    blur: str
    strength: float
    angle: float
    low: int
    interpolation: str
    noise: float
    per_channel: bool
    quality: int


def draw_chain(side: int, rng: np.random.Generator) -> Chain:
    """SPARNetHD's degradation of a face of `side` px.

    With probability 1/2 one of: Gaussian blur (sigma 3-15), average (3-15), median (odd, 3-15), motion (5-25; any
    angle). To a side of 32-127. With probability 0.2 Gaussian noise of standard deviation 0-25.5, for half of them one
    value for all channels. With 0.7 JPEG of quality 35-90. Order and ranges are those of the authors' training (Chen
    et al., IEEE TIP 2021) for a face of 512 px.
    """
    unit = side / REFERENCE_SIZE
    blur = str(rng.choice(BLURS)) if rng.random() < BLUR_PROBABILITY else "none"
    strength = {
        "none": 0.0,
        "gaussian": rng.uniform(3, 15) * unit,
        "average": max(1, round(int(rng.integers(3, 16)) * unit)),
        "median": 2 * round(((3 + 2 * int(rng.integers(7))) * unit - 1) / 2) + 1,
        "motion": max(1, round(int(rng.integers(5, 26)) * unit)),
    }[blur]
    return Chain(
        blur=blur,
        strength=strength,
        angle=rng.uniform(0, 2 * pi),
        low=int(rng.integers(max(1, round(32 * unit)), max(1, round(127 * unit)) + 1)),
        interpolation=str(rng.choice(INTERPOLATIONS)),
        noise=rng.uniform(0, 25.5) if rng.random() < NOISE_PROBABILITY else 0.0,
        per_channel=bool(rng.random() < 0.5),
        quality=int(rng.integers(35, 91)) if rng.random() < JPEG_PROBABILITY else 0,
    )


def blind(hr: Image8, rng: np.random.Generator) -> Image8:
    """A random degradation of a square face (see `draw_chain`), enlarged to its size by Pillow's bicubic.

    Args:
        hr: SxSx3.

    Returns:
        SxSx3.
    """
    side = hr.shape[0]
    chain = draw_chain(side, rng)
    image = _apply(_resize_matrix(side, chain.low, chain.interpolation), _blurred(hr, chain))
    if chain.noise:
        shape = (chain.low, chain.low, 3 if chain.per_channel else 1)
        image = image + rng.normal(0, chain.noise, shape).astype(np.float32)
    small = Image.fromarray(_to_uint8(image))
    if chain.quality:
        small = _jpeg(small, chain.quality)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def _blurred(image: Image8, chain: Chain) -> Floats:
    if chain.blur == "gaussian":
        return gaussian_blur(image, chain.strength)
    if chain.blur == "average":
        return average_blur(image, int(chain.strength))
    if chain.blur == "median":
        return median_blur(image, int(chain.strength)).astype(np.float32)
    if chain.blur == "motion":
        return motion_blur(image, int(chain.strength), chain.angle)
    return image.astype(np.float32)


def gaussian_blur(image: Image8, sigma: float) -> Floats:
    """HxHx3 convolved with a Gaussian, cut off at 4 sigma; mirrored at the border without repeating its pixel."""
    radius = min(ceil(4 * sigma), image.shape[0] - 1)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return _apply(_blur_matrix(image.shape[0], offsets, weights / weights.sum()), image.astype(np.float32))


def average_blur(image: Image8, k: int) -> Floats:
    """HxHx3, each pixel the mean of k x k around it (for an even k the window reaches one further up and left)."""
    offsets = np.arange(k) - k // 2
    return _apply(_blur_matrix(image.shape[0], offsets, np.full(k, 1 / k)), image.astype(np.float32))


def median_blur(image: Image8, k: int) -> Image8:
    """HxWx3, each pixel the median of k x k around it; k is odd and at most 15; mirrored at the border.

    Counts, for each threshold, the pixels of the window that are not above it. A count fits 8 bits and is made of
    shifted sums, which is many times faster here than sorting each window.
    """
    if k <= 1:
        return image
    r = k // 2
    padded = np.pad(image, ((r, r), (r, r), (0, 0)), mode="reflect")
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


def motion_blur(image: Image8, k: int, angle: float) -> Floats:
    """HxWx3 averaged along a centred line of k pixels at `angle` (radians); mirrored at the border."""
    reach = (k - 1) / 2
    taps: dict[tuple[int, int], float] = {}
    points = 4 * k + 1
    for t in np.linspace(-reach, reach, points):
        y, x = t * sin(angle), t * cos(angle)
        top, left = int(np.floor(y)), int(np.floor(x))
        for dy, wy in ((0, 1 - (y - top)), (1, y - top)):
            for dx, wx in ((0, 1 - (x - left)), (1, x - left)):
                if wy * wx > 0:
                    taps[top + dy, left + dx] = taps.get((top + dy, left + dx), 0.0) + wy * wx / points
    r = ceil(reach) + 1
    height, width = image.shape[:2]
    padded = np.pad(image, ((r, r), (r, r), (0, 0)), mode="reflect").astype(np.float32)
    blurred = np.zeros(image.shape, np.float32)
    for (dy, dx), weight in taps.items():
        blurred += np.float32(weight) * padded[r + dy : r + dy + height, r + dx : r + dx + width]
    return blurred


def _blur_matrix(n: int, offsets: NDArray[np.int64], weights: NDArray[np.float64]) -> Floats:
    """The n x n matrix that convolves a line of n pixels, mirrored at its ends."""
    matrix = np.zeros((n, n))
    rows = np.arange(n)
    for offset, weight in zip(offsets, weights, strict=True):
        np.add.at(matrix, (rows, _mirror(rows + offset, n)), weight)
    return matrix.astype(np.float32)


def _mirror(index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Indexes outside 0..n-1 mirrored at the end pixels, which are not repeated."""
    if n == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * n - 2)
    return np.minimum(index, 2 * n - 2 - index)


@lru_cache(maxsize=512)
def _resize_matrix(n: int, m: int, kind: str) -> Floats:
    """The m x n matrix that resizes a line of n pixels to m <= n."""
    scale = n / m
    matrix = np.zeros((m, n))
    rows = np.arange(m)
    if kind == "nearest":
        matrix[rows, np.minimum((rows * scale).astype(int), n - 1)] = 1
    elif kind == "area":
        for i in rows:
            edges = np.clip(np.arange(n + 1), i * scale, (i + 1) * scale)
            matrix[i] = np.diff(edges) / scale
    else:
        centre = (rows + 0.5) * scale - 0.5
        first = np.floor(centre).astype(int)
        reach = range(2) if kind == "bilinear" else range(-1, 3)
        for tap in reach:
            distance = np.abs(centre - (first + tap))
            weight = 1 - distance if kind == "bilinear" else _cubic(distance)
            np.add.at(matrix, (rows, np.clip(first + tap, 0, n - 1)), weight)
    return matrix.astype(np.float32)


def _cubic(x: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Keys' cubic kernel at distances 0 <= x <= 2."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def _apply(matrix: Floats, image: Floats) -> Floats:
    """A one-dimensional linear operation along both axes of HxHxC."""
    down = np.tensordot(matrix, image, axes=(1, 0))
    across = np.tensordot(matrix, down, axes=(1, 1))  # its first axis is now the second of the image
    return np.ascontiguousarray(across.swapaxes(0, 1))


def _to_uint8(image: Floats) -> Image8:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    decoded = Image.open(buffer)
    decoded.load()
    return decoded.convert("RGB")
