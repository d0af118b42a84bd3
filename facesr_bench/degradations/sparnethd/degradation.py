"""SPARNetHD's random chain of degradations, with the constants of imgaug, the library that its authors made it with.

The same seed gives the same bits everywhere, but for a JPEG library that decodes otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np

from facesr_bench.degradations.imgaug import (
    INTERPOLATIONS,
    REFERENCE_SIDE,
    ChainOfSteps,
    average_blur,
    blurred,
    gaussian_window,
    jpeg_quality,
    median_blur,
    odd,
    odd_above,
    resized,
    with_noise,
)
from facesr_bench.degradations.opencv import jpeg
from facesr_bench.images.files import Image8

BLURS = ("gaussian", "average", "median", "motion")
BLUR_PROBABILITY = 0.5
NOISE_PROBABILITY = 0.2
JPEG_PROBABILITY = 0.7


class Degradation(ChainOfSteps["Chain"]):
    """The chain that a seed draws; see `draw_chain`."""

    def draw(self, side: int, rng: np.random.RandomState) -> Chain:
        return draw_chain(side, rng)

    def degraded(self, hr: Image8, chain: Chain) -> Image8:
        return degraded(hr, chain)


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
    unit = side / REFERENCE_SIDE
    blur = BLURS[rng.randint(len(BLURS))] if rng.random_sample() < BLUR_PROBABILITY else "none"
    sigma = rng.uniform(3, 15)
    average, median, motion = int(rng.randint(3, 16)), int(rng.randint(3, 16)), int(rng.randint(5, 26))
    window = {
        "none": 1,
        "gaussian": odd(gaussian_window(sigma) * unit),
        "average": max(1, round(average * unit)),
        "median": odd(odd_above(median) * unit),
        "motion": odd(odd_above(motion) * unit),
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


def degraded(hr: Image8, chain: Chain) -> Image8:
    """SxSx3 degraded, enlarged to its size by a bicubic without antialiasing (a = -0.75, OpenCV's)."""
    small = resized(_blurred(hr, chain), chain.low, chain.interpolation)
    if chain.noise:
        shape = (chain.low, chain.low, 3 if chain.per_channel else 1)
        small = with_noise(small, chain.noise * np.random.RandomState(chain.noise_seed).standard_normal(shape))
    if chain.quality:
        small = jpeg(small, chain.quality)
    return resized(small, hr.shape[0], "bicubic")


def _blurred(image: Image8, chain: Chain) -> Image8:
    if chain.blur == "average":
        return average_blur(image, chain.window)
    if chain.blur == "median":
        return median_blur(image, chain.window)
    return blurred(image, chain)
