"""Visual information fidelity in the form of the x8 papers: on a steerable pyramid of gray pictures.

Sheikh and Bovik, "Image Information and Visual Quality" (2006), as CTCNet, WFEN and FADPNet compute it with the script
abhinaukumar/vif@3688673:vif_utils.py: Pillow's gray picture in 8 bits, four levels of Simoncelli's pyramid `sp5`, of
each the two bands that lie along the axes, blocks of 3x3, noise of variance 0.1. (The authors' MATLAB release, and
pyiqa after it, take a variance of 0.4 and other windows: their numbers are others.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.channels import check_image, check_pair
from facesr_bench.images.files import Image8

Floats = NDArray[np.float64]

LEVELS = 4
BLOCK = 3
"""Side of the blocks whose coefficients are one vector, and step from one to the next."""
NOISE = 0.1
"""Variance of the noise that the model of the eye adds."""
TINY = 1e-15
"""Below it a variance counts as 0."""
FLOOR = 1e-4
"""Added to the information of each band, so that a picture without any has a VIF of 1."""
SMALLEST = 65
"""Shorter side, px, of which the coarsest bands have a block left inside their rim."""

# The filters of matlabPyrTools' sp5Filters (Karasaridis and Simoncelli, ICASSP 1996; pyrtools has the same, under the
# MIT licence). Both low passes are the same mirrored and transposed, so a quarter says all; the band pass along one
# axis is even down and odd across, and that along the other axis is its transpose.
LOW0 = np.array(
    [
        [0.00341614, -0.01551246, -0.03848215],
        [-0.01551246, 0.05586982, 0.15925570],
        [-0.03848215, 0.15925570, 0.40304148],
    ]
)
LOW = 2 * np.array(
    [
        [0.00085404, -0.00244917, -0.00387812, -0.00944432, -0.00962054],
        [-0.00244917, -0.00523281, -0.00661117, 0.00410600, 0.01002988],
        [-0.00387812, -0.00661117, 0.01396746, 0.03277038, 0.03981393],
        [-0.00944432, 0.00410600, 0.03277038, 0.06426333, 0.08169618],
        [-0.00962054, 0.01002988, 0.03981393, 0.08169618, 0.10096540],
    ]
)
BAND = np.array(
    [
        [0.00277643, -0.00986904, -0.01021852, 0.0],
        [0.00496194, -0.00893064, -0.03075356, 0.0],
        [0.01026699, 0.01189859, -0.08226445, 0.0],
        [0.01455399, 0.02755155, -0.11732297, 0.0],
    ]
)


@dataclass(frozen=True)
class Band:
    """What one band of the ground truth's pyramid says.

    Attributes:
        coefficients: cut to whole blocks.
        variances: of the vectors of its blocks along their principal axes, 9.
        strength: of each block, against what those variances lead one to expect.
        window: side of the windows that gain and noise are estimated in, coefficients.
    """

    coefficients: Floats
    variances: Floats
    strength: Floats
    window: int


@dataclass(frozen=True)
class VifReference:
    """What VIF needs of the ground truth: its size (HxWx3) and bands, from the coarsest."""

    shape: tuple[int, ...]
    bands: tuple[Band, ...]


def prepare(hr: Image8) -> VifReference:
    """The model of the ground truth.

    Args:
        hr: HxWx3 uint8.

    Raises:
        MetricError: not a uint8 HxWx3 picture, or smaller than 65 px.
    """
    height, width = check_image(hr, "HR").shape[:2]
    if min(height, width) < SMALLEST:
        raise MetricError(f"VIF needs images of {SMALLEST}x{SMALLEST} px or more, not {width}x{height}")
    windows = [2 ** (1 + place // 2) + 1 for place in range(2 * LEVELS)]
    bands = zip(pyramid(gray(hr)), windows, strict=True)
    return VifReference(hr.shape, tuple(_modelled(_whole_blocks(band), window) for band, window in bands))


def vif(sr: Image8, reference: VifReference) -> float:
    """The share of the ground truth's information that is still in SR: 1 for equal pictures, above 1 for more contrast.

    Raises:
        MetricError: not a uint8 picture of HR's size.
    """
    check_pair(sr, reference.shape)
    kept, given = 0.0, 0.0
    for band, coefficients in zip(reference.bands, pyramid(gray(sr)), strict=True):
        gain, noise = channel(band.coefficients, _whole_blocks(coefficients), band.window)
        rim = -(-(band.window - 1) // 2 // BLOCK)
        inside = slice(rim, -rim)
        gain, noise, strength = (part[inside, inside, None] for part in (gain, noise, band.strength))
        signal = strength * band.variances
        kept += float(np.log1p(gain**2 * signal / (noise + NOISE)).mean(axis=(0, 1)).sum()) + FLOOR
        given += float(np.log1p(signal / NOISE).mean(axis=(0, 1)).sum()) + FLOOR
    return kept / given


def gray(image: Image8) -> Floats:
    """Pillow's gray picture, whole levels."""
    return np.asarray(Image.fromarray(image).convert("L"), np.float64)


def pyramid(image: Floats) -> list[Floats]:
    """Of each of four levels, from the coarsest, the two bands along the axes; borders are mirrored at their pixel."""
    across = _mirrored(BAND, odd=True)
    low, bands = _filtered(image, _mirrored(LOW0)), []
    for _ in range(LEVELS):
        bands += [_filtered(low, across), _filtered(low, across.T)]
        low = _filtered(low, _mirrored(LOW))[::2, ::2]
    return bands[::-1]


def _mirrored(quarter: Floats, odd: bool = False) -> Floats:
    """A filter from its upper left quarter, whose last row and column are the filter's middle."""
    upper = np.concatenate([quarter, (-1 if odd else 1) * quarter[:, -2::-1]], axis=1)
    return np.concatenate([upper, upper[-2::-1]], axis=0)


def _filtered(image: Floats, weights: Floats) -> Floats:
    from scipy.ndimage import correlate

    return np.asarray(correlate(image, weights, mode="mirror"), np.float64)


def _whole_blocks(band: Floats) -> Floats:
    height, width = (BLOCK * (side // BLOCK) for side in band.shape)
    return np.ascontiguousarray(band[:height, :width])


def _modelled(band: Floats, window: int) -> Band:
    """A Gaussian scale mixture of the band's blocks."""
    overlapping = sliding_window_view(band, (BLOCK, BLOCK)).reshape(-1, BLOCK * BLOCK)
    centred = overlapping - overlapping.mean(axis=0)
    # Not a matrix product: the order of its sums depends on the number of threads.
    covariance = np.einsum("ni,nj->ij", centred, centred) / (len(centred) - 1)
    variances, axes = np.linalg.eigh(covariance)
    variances = np.maximum(variances, TINY)
    blocks = sliding_window_view(band, (BLOCK, BLOCK))[::BLOCK, ::BLOCK]
    along = np.einsum("hwi,ij->hwj", blocks.reshape(*blocks.shape[:2], -1), axes)
    return Band(band, variances, (along**2 / variances).mean(axis=-1), window)


def channel(x: Floats, y: Floats, window: int) -> tuple[Floats, Floats]:
    """How SR's coefficients `y` are made of HR's `x` around each block: a gain, and the variance of what was added."""
    margin = (window - BLOCK) // 2
    mean_x, mean_y, xx, yy, xy = _moments(np.pad(x, margin, mode="reflect"), np.pad(y, margin, mode="reflect"), window)
    variance_x, variance_y = np.maximum(xx - mean_x**2, 0), np.maximum(yy - mean_y**2, 0)
    covariance = xy - mean_x * mean_y
    gain = covariance / (variance_x + TINY)
    noise = variance_y - gain * covariance
    flat = variance_x < TINY
    gain, noise = np.where(flat, 0, gain), np.where(flat, variance_y, noise)
    flat = variance_y < TINY
    gain, noise = np.where(flat, 0, gain), np.where(flat, 0, noise)
    noise = np.where(gain < 0, variance_y, noise)
    return np.maximum(gain, 0), np.maximum(noise, TINY)


def _moments(x: Floats, y: Floats, window: int) -> tuple[Any, ...]:
    """Means of x, y, x², y² and xy in windows whose places are a block apart."""
    inside_x, inside_y = (sliding_window_view(p, (window, window))[::BLOCK, ::BLOCK] for p in (x, y))
    size = window * window
    products = ((inside_x, inside_x), (inside_y, inside_y), (inside_x, inside_y))
    means = (inside_x.mean(axis=(2, 3)), inside_y.mean(axis=(2, 3)))
    return (*means, *(np.einsum("hwij,hwij->hw", a, b) / size for a, b in products))
