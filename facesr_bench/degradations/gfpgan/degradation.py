"""Blur, reduce, add noise, compress, enlarge, change colours: the chain that GFPGAN's authors published.

CodeFormer, VQFR and DifFace use it with other figures, which stand in the options of their cards. Between the steps the
picture keeps its fractions; it is rounded before the JPEG and at the end, as there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facesr_bench import DegradationBase
from facesr_bench.base.errors import DataError, PluginError
from facesr_bench.degradations.opencv import filtered, gaussian_kernel, jpeg, resized, to_uint8
from facesr_bench.images.files import Image8
from facesr_bench.plugins.degradation import DegradationContext

Floats = NDArray[np.float64]

REFERENCE_SIDE = 512
"""The side (px) that the blur is given for; for another side it scales with it."""
LUMA = (0.299, 0.587, 0.114)
LUMA_OF_JITTER = (0.2989, 0.587, 0.114)
"""Torchvision's weights of red, green and blue, with which the authors change contrast and saturation."""


class OneOf(BaseModel):
    """A value drawn from a list, each as often as the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one_of: tuple[float, ...] = Field(min_length=1)

    def draw(self, rng: np.random.RandomState) -> float:
        return self.one_of[rng.randint(len(self.one_of))]


Range = tuple[float, float] | OneOf
"""The ends of a uniform distribution, or a list."""


class Strength(BaseModel):
    """How strong a degradation is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sigma: Range = Field(description="standard deviations of the blur, px of a picture of 512 px")
    reduction: Range = Field(description="the side over that of the reduced picture; below 1 it is enlarged")
    noise: Range = Field(description="standard deviation of the Gaussian noise, levels of 255")
    quality: Range = Field(description="of the JPEG; its whole part is taken, as old releases of OpenCV do")


class Large(Strength):
    """A second strength, and how often it is taken."""

    probability: float = Field(ge=0, le=1)


class Shift(BaseModel):
    """A random shift of each channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: float = Field(ge=0, le=1)
    levels: float = Field(ge=0, description="at most, of 255")


class Jitter(BaseModel):
    """Factors of brightness, contrast and saturation, and a turn of the hue, applied in a random order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: float = Field(ge=0, le=1)
    brightness: Range
    contrast: Range
    saturation: Range
    hue: Range = Field(description="of a whole turn")


class Options(Strength):
    """The options of the card."""

    window: int = Field(gt=0, description="side of the blur's window, px of a picture of 512 px")
    isotropic: float = Field(ge=0, le=1, description="share of round blurs; the others have two widths and an angle")
    theta: Range = Field(default=(-1, 1), description="angle of the blur, of half a turn")
    large: Large | None = None
    shift: Shift | None = None
    grey: float = Field(default=0, ge=0, le=1, description="share of pictures without colour")
    jitter: Jitter | None = None


@dataclass(frozen=True)
class Chain:
    """One degradation, drawn; the picture is a function of HR and this alone.

    Attributes:
        large: drawn from the second strength.
        window: side of the blur's window, px; odd.
        sigma_x: of the blur, px; sigma_y: likewise; theta: angle of sigma_x, radians.
        reduction: the side over that of the reduced picture; low: that side, px.
        noise: standard deviation of the noise, of 255; noise_seed: what it is drawn from.
        quality: of the JPEG.
        shift: of red, green and blue, levels; empty: none.
        grey: the colours are taken away.
        jitter: (`brightness`, `contrast`, `saturation` or `hue`, by how much) in the order applied; empty: none.
    """

    large: bool
    window: int
    sigma_x: float
    sigma_y: float
    theta: float
    reduction: float
    low: int
    noise: float
    noise_seed: int
    quality: int
    shift: list[float]
    grey: bool
    jitter: list[list[str | float]]


class Degradation(DegradationBase):
    """The chain that a seed draws from the options of the card; see `draw_chain`."""

    def __init__(self, context: DegradationContext) -> None:
        super().__init__(context)
        try:
            self.options = Options.model_validate(context.card.options)
        except ValidationError as error:
            found = [f"options.{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False)]
            raise PluginError(f"degradation {context.card.name}, card.toml: {'; '.join(found)}") from error

    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        height, width = hr.shape[:2]
        if height != width:
            raise DataError(f"degradation {self.card.name} takes square pictures, not {width}x{height}")
        # RandomState, since numpy promises its stream for ever; it takes 32 bits at a time.
        chain = draw_chain(width, self.options, np.random.RandomState([seed >> 32, seed & 0xFFFFFFFF]))
        return degraded(hr, chain), asdict(chain)


def _drawn(of: Range, rng: np.random.RandomState) -> float:
    return of.draw(rng) if isinstance(of, OneOf) else float(rng.uniform(*of))


def draw_chain(side: int, options: Options, rng: np.random.RandomState) -> Chain:
    """A degradation of a face of `side` px.

    Everything is drawn whether it is used or not, in the order of the chain: so an option that is switched off changes
    nothing of what else is drawn.
    """
    unit = side / REFERENCE_SIDE
    is_large = rng.random_sample() < options.large.probability if options.large else False
    strength: Strength = options.large if options.large and is_large else options
    round_blur = rng.random_sample() < options.isotropic
    sigma_x, sigma_y, theta = _drawn(strength.sigma, rng), _drawn(strength.sigma, rng), _drawn(options.theta, rng) * pi
    reduction, noise = _drawn(strength.reduction, rng), _drawn(strength.noise, rng)
    noise_seed = int(rng.randint(2**31 - 1))
    quality = int(_drawn(strength.quality, rng))
    shifted, shift = rng.random_sample(), rng.uniform(-1, 1, 3)
    grey = bool(rng.random_sample() < options.grey)
    jittered, order = rng.random_sample(), rng.permutation(4)
    return Chain(
        large=bool(is_large),
        window=max(1, 2 * round((options.window * unit - 1) / 2) + 1),
        sigma_x=sigma_x * unit,
        sigma_y=(sigma_x if round_blur else sigma_y) * unit,
        theta=0.0 if round_blur else theta,
        reduction=reduction,
        low=max(1, int(side // reduction)),
        noise=noise,
        noise_seed=noise_seed,
        quality=quality,
        shift=(shift * options.shift.levels).tolist() if options.shift and shifted < options.shift.probability else [],
        grey=grey,
        jitter=_jitter(options.jitter, order, rng) if options.jitter and jittered < options.jitter.probability else [],
    )


def _jitter(jitter: Jitter, order: NDArray[Any], rng: np.random.RandomState) -> list[list[str | float]]:
    names = ("brightness", "contrast", "saturation", "hue")
    return [[names[place], _drawn(getattr(jitter, names[place]), rng)] for place in order]


def degraded(hr: Image8, chain: Chain) -> Image8:
    """SxSx3 degraded, at its size again."""
    kernel = gaussian_kernel(chain.window, chain.sigma_x, chain.sigma_y, chain.theta)
    small = resized(filtered(hr.astype(np.float64), kernel), chain.low, chain.low)
    if chain.noise:
        small = small + chain.noise * np.random.RandomState(chain.noise_seed).standard_normal(small.shape)
    image = resized(jpeg(to_uint8(small), chain.quality).astype(np.float64), *hr.shape[:2])
    if chain.shift:
        image = np.clip(image + np.array(chain.shift), 0, 255)
    if chain.grey:
        image = _luma(image, LUMA).repeat(3, axis=2)
    for name, amount in chain.jitter:
        image = _CHANGES[str(name)](image, float(amount))
    return to_uint8(image)


def _luma(image: Floats, weights: tuple[float, float, float]) -> Floats:
    """HxWx3 RGB to HxWx1."""
    return np.asarray(weights[0] * image[..., :1] + weights[1] * image[..., 1:2] + weights[2] * image[..., 2:])


def _brightness(image: Floats, factor: float) -> Floats:
    return np.clip(factor * image, 0, 255)


def _contrast(image: Floats, factor: float) -> Floats:
    mean = float(_luma(image, LUMA_OF_JITTER).mean())
    return np.clip(factor * image + (1 - factor) * mean, 0, 255)


def _saturation(image: Floats, factor: float) -> Floats:
    return np.clip(factor * image + (1 - factor) * _luma(image, LUMA_OF_JITTER), 0, 255)


def _hue(image: Floats, turn: float) -> Floats:
    """The hue turned by a part of a whole turn, with value and saturation (of the HSV cone) as they are."""
    high, low = image.max(axis=2), image.min(axis=2)
    spread = np.where(high > low, high - low, 1)
    red, green, blue = np.moveaxis(image, 2, 0)
    sector = np.where(red == high, (green - blue) / spread, 2 + (blue - red) / spread)
    sector = np.where((red != high) & (green != high), 4 + (red - green) / spread, sector)
    sector = (sector + 6 * turn) % 6
    # Each channel is highest in its own sector and the neighbouring halves, and falls off linearly to both sides.
    distances = [np.abs((sector - centre + 3) % 6 - 3) for centre in (0, 2, 4)]
    parts = [np.clip(2 - distance, 0, 1) for distance in distances]
    return np.asarray(np.stack([low + (high - low) * part for part in parts], axis=2))


_CHANGES = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation, "hue": _hue}
