"""The steps of imgaug that blind degradations of faces are made of, with its constants.

Written with numpy alone: imgaug's last release (0.4.0) can't be imported beside numpy 2. The picture is 8 bits after
each step, as it is there. Every sum is taken term by term in a fixed order, and never by a matrix product, whose order
depends on the machine: so the same arguments give the same bits everywhere.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.degradations import opencv
from facesr_bench.images.files import Image8
from facesr_bench.plugins.degradation import DegradationBase

Floats = NDArray[np.float32]
Taps = tuple[NDArray[np.intp], Floats]
"""Of a resize: which input lines make each output line, and with which weights; both taps x lines."""

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area")
REFERENCE_SIDE = 512
"""The side (px) that the sizes of blurs are given for; for another side they scale with it."""

Chain = TypeVar("Chain")


class ChainOfSteps(DegradationBase, Generic[Chain]):
    """Base of a degradation that draws a chain, a dataclass, and makes the picture of HR and that alone."""

    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        height, width = hr.shape[:2]
        if height != width:
            raise DataError(f"degradation {self.card.name} takes square pictures, not {width}x{height}")
        # RandomState, since numpy promises its stream for ever; it takes 32 bits at a time.
        chain = self.draw(width, np.random.RandomState([seed >> 32, seed & 0xFFFFFFFF]))
        return self.degraded(hr, chain), asdict(chain)  # type: ignore[call-overload]

    @abstractmethod
    def draw(self, side: int, rng: np.random.RandomState) -> Chain:
        """A chain for a picture of `side` px."""

    @abstractmethod
    def degraded(self, hr: Image8, chain: Chain) -> Image8:
        """SxSx3 degraded, at its size."""


class Blur(Protocol):
    """What a chain says of its blur.

    Attributes:
        blur: `gaussian`, `motion` or another.
        window: side of the Gaussian's window or length of the motion, px; odd.
        sigma: of the Gaussian, px.
        angle, direction: of the motion, see `motion_kernel`.
    """

    @property
    def blur(self) -> str: ...
    @property
    def window(self) -> int: ...
    @property
    def sigma(self) -> float: ...
    @property
    def angle(self) -> float: ...
    @property
    def direction(self) -> float: ...


def blurred(image: Image8, chain: Blur) -> Image8:
    """HxWx3 under the chain's Gaussian or motion blur; as it is under another."""
    if chain.blur == "gaussian":
        return gaussian_blur(image, chain.sigma, chain.window)
    if chain.blur == "motion":
        return motion_blur(image, motion_kernel(chain.window, chain.angle, chain.direction))
    return image


def gaussian_window(sigma: float) -> int:
    """Side (px) of the window that imgaug cuts a Gaussian blur off at, about 1.3 sigma from its centre."""
    return odd_above(int((2.9 if sigma < 5 else 2.6) * sigma))


def jpeg_quality(compression: float) -> int:
    """The JPEG quality that imgaug's `compression` (0-100) stands for."""
    return round(1 + 99 * (1 - compression / 101))


def odd_above(k: int) -> int:
    """k, or k + 1 where k is even."""
    return k + 1 if k % 2 == 0 else k


def odd(k: float) -> int:
    """The odd number nearest to k, at least 1."""
    return max(1, 2 * round((k - 1) / 2) + 1)


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
    indices, weights = opencv.taps(n, m, kind)
    return indices, weights.astype(np.float32)


def with_noise(image: Image8, noise: NDArray[Any]) -> Image8:
    """HxWx3 with noise (HxWx3 or HxWx1, levels) added to it."""
    return _to_uint8(image + noise)


def _to_uint8(image: NDArray[Any]) -> Image8:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
