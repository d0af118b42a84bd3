"""HiFaceGAN's full degradation: four steps of imgaug in a random order.

The same seed gives the same bits everywhere, but for a JPEG library that decodes otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.degradations.imgaug import (
    REFERENCE_SIDE,
    ChainOfSteps,
    blurred,
    gaussian_window,
    jpeg_quality,
    odd,
    odd_above,
    resized,
    with_noise,
)
from facesr_bench.degradations.opencv import jpeg
from facesr_bench.images.files import Image8

STEPS = ("blur", "noise", "jpeg", "down")
NOISES = ("gaussian", "laplace", "poisson")


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
        order: of the four STEPS.
        blur: `motion` or `gaussian`.
        window: length of the motion or side of the Gaussian's window, px; odd.
        sigma: of the Gaussian, px.
        angle: of the motion from the vertical, radians.
        direction: of the motion, see `imgaug.motion_kernel`.
        noise: one of NOISES; each channel has its own.
        strength: standard deviation of Gaussian noise, scale of Laplace's, mean size of Poisson's; of 255.
        noise_seed: what the noise is drawn from.
        quality: of the JPEG.
        low: side after the reduction, px.
    """

    order: list[str]
    blur: str
    window: int
    sigma: float
    angle: float
    direction: float
    noise: str
    strength: float
    noise_seed: int
    quality: int
    low: int


def draw_chain(side: int, rng: np.random.RandomState) -> Chain:
    """HiFaceGAN's full degradation of a face of `side` px.

    Blur: motion (10-20, an even length becomes the odd one above; any angle and direction) or Gaussian (sigma 3-8, cut
    off as `imgaug.gaussian_window` says). Noise: Gaussian or Laplace of scale 20-40, or Poisson of mean 15-30 with
    either sign. JPEG of compression 50-85, which is quality 51 to 17. Reduction to 1/8 to 1/4 of the side, and back to
    it, by a bicubic without antialiasing. For a face of 512 px; for another, the blurs scale with its side.
    """
    unit = side / REFERENCE_SIDE
    order = [STEPS[place] for place in rng.permutation(4)]
    blur = ("motion", "gaussian")[rng.randint(2)]
    length, sigma = int(rng.randint(10, 21)), rng.uniform(3, 8)
    angle, direction = rng.uniform(0, 2 * pi), rng.uniform(-1, 1)
    noise = NOISES[rng.randint(3)]
    scale, mean = rng.uniform(20, 40), rng.uniform(15, 30)
    noise_seed = int(rng.randint(2**31 - 1))
    quality, low = jpeg_quality(rng.uniform(50, 85)), max(1, round(side * rng.uniform(0.125, 0.25)))
    is_motion = blur == "motion"
    return Chain(
        order=order,
        blur=blur,
        window=odd((odd_above(length) if is_motion else gaussian_window(sigma)) * unit),
        sigma=0.0 if is_motion else sigma * unit,
        angle=angle if is_motion else 0.0,
        direction=direction if is_motion else 0.0,
        noise=noise,
        strength=mean if noise == "poisson" else scale,
        noise_seed=noise_seed,
        quality=quality,
        low=low,
    )


def degraded(hr: Image8, chain: Chain) -> Image8:
    """SxSx3 degraded, at its size."""
    image = hr
    for step in chain.order:
        image = _DO[step](image, chain)
    return image


def _noisy(image: Image8, chain: Chain) -> Image8:
    rng = np.random.RandomState(chain.noise_seed)
    noise: NDArray[Any]
    if chain.noise == "gaussian":
        noise = chain.strength * rng.standard_normal(image.shape)
    elif chain.noise == "laplace":
        noise = rng.laplace(0, chain.strength, image.shape)
    else:
        noise = rng.poisson(chain.strength, image.shape) * (2 * rng.randint(0, 2, image.shape) - 1)
    return with_noise(image, noise)


def _compressed(image: Image8, chain: Chain) -> Image8:
    # The authors' pictures are in OpenCV's order of channels, and compressed as if they were in the usual one.
    return np.ascontiguousarray(jpeg(np.ascontiguousarray(image[..., ::-1]), chain.quality)[..., ::-1])


def _reduced(image: Image8, chain: Chain) -> Image8:
    return resized(resized(image, chain.low, "bicubic"), image.shape[0], "bicubic")


_DO: dict[str, Callable[[Image8, Chain], Image8]] = {
    "blur": blurred,
    "noise": _noisy,
    "jpeg": _compressed,
    "down": _reduced,
}
