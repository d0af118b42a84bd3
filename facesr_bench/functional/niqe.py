"""NIQE as BasicSR computes it: the number of VQFR's, PMRF's, BFRffusion's and FOS's tables.

Mittal et al., "Making a 'Completely Blind' Image Quality Analyzer" (2013), in the order of steps and roundings of
XPixelGroup/BasicSR@1.4.2:basicsr/metrics/niqe.py, which follows the authors' MATLAB release: BT.601's limited-range
luma, rounded; blocks of 96x96 that don't overlap; two scales, the second by MATLAB's bicubic. Planes are float32, as
BasicSR's: where a picture is smooth, its variance is a small difference of large numbers, and float64 would give
blurred faces a NIQE that is up to 0.06 off BasicSR's. (What is left, up to 0.005 on blurred faces and 0.0005 on sharp
ones, is the order of BasicSR's float32 sums, which depends on its matrix library.) pyiqa's `niqe` has float64 and
another luma (YIQ).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.channels import check_image, luma_bt601
from facesr_bench.images.files import Image8
from facesr_bench.images.matlab import imresize

Floats = NDArray[np.float64]

BLOCK = 96
FEATURES = 36
SHAPES = {"mu_pris_param": (1, FEATURES), "cov_pris_param": (FEATURES, FEATURES), "gaussian_window": (7, 7)}
"""What the file of parameters holds: mean and covariance of natural pictures' features, and the smoothing window."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""The neighbours (down, right) whose products with a pixel are looked at; they go round the block's border."""


class Niqe:
    """The model of natural pictures, opened once; safe to call from several threads.

    Args:
        file: `niqe_pris_params.npz` of BasicSR.

    Raises:
        WeightsError: no such file, or it holds something else.
    """

    def __init__(self, file: Path) -> None:
        try:
            with np.load(file, allow_pickle=False) as held:
                found = {name: np.asarray(held[name], np.float64) for name in SHAPES if name in held}
        except (OSError, ValueError, TypeError) as error:
            raise WeightsError(f"{file}: not the parameters of NIQE that BasicSR has (.npz): {error}") from error
        for name, shape in SHAPES.items():
            if name not in found or found[name].shape != shape:
                seen = f"of shape {found[name].shape}" if name in found else "missing"
                raise WeightsError(f"{file}: {name} is {seen}; NIQE's parameters have it of shape {shape}")
        self._mean, self._covariance, self._window = (found[name] for name in SHAPES)

    def score(self, image: Image8) -> float:
        """How far the picture's statistics are from natural pictures'; lower is more natural.

        Args:
            image: HxWx3 uint8, with room for two blocks of 96x96 px.

        Raises:
            MetricError: not a uint8 picture, too small, or so flat that fewer than two blocks have statistics.
        """
        height, width = check_image(image, "SR").shape[:2]
        rows, columns = height // BLOCK, width // BLOCK
        if rows * columns < 2:
            need = f"two blocks of {BLOCK}x{BLOCK} px"
            raise MetricError(f"NIQE needs images with room for {need}, not {width}x{height}")
        plane = np.rint(luma_bt601(image))[: rows * BLOCK, : columns * BLOCK].astype(np.float32)
        found = []
        for side in (BLOCK, BLOCK // 2):
            normalised = self._normalised(plane)
            blocks = normalised.reshape(rows, side, columns, side).swapaxes(1, 2)
            found.append([features(blocks[i, j]) for j in range(columns) for i in range(rows)])
            if side == BLOCK:
                half = imresize(plane / np.float32(255), (plane.shape[0] // 2, plane.shape[1] // 2))
                plane = half.astype(np.float32) * np.float32(255)
        each = np.concatenate(found, axis=1)
        whole = each[~np.isnan(each).any(axis=1)]
        if len(whole) < 2:
            raise MetricError("NIQE finds no texture: fewer than two blocks of the picture have statistics")
        centred = whole - whole.mean(axis=0)
        # Sums in a fixed order: those of a matrix product depend on the number of threads.
        covariance = np.einsum("ni,nj->ij", centred, centred) / (len(whole) - 1)
        off = self._mean[0] - np.nanmean(each, axis=0)
        inverse = np.linalg.pinv((self._covariance + covariance) / 2)
        return float(np.sqrt(np.einsum("i,ij,j->", off, inverse, off)))

    def _normalised(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Less the local mean, over the local standard deviation plus 1 level."""
        from scipy.ndimage import correlate

        mean = correlate(plane, self._window, mode="nearest")
        deviation = np.sqrt(np.abs(correlate(plane**2, self._window, mode="nearest") - mean**2))
        return np.asarray((plane - mean) / (deviation + 1), np.float32)


def features(block: Floats) -> list[float]:
    """The 18 numbers of one block: its own distribution's, and those of four products of neighbours."""
    from scipy.special import gamma

    alpha, left, right = asymmetric_gaussian(block)
    found = [alpha, (left + right) / 2]
    for shift in SHIFTS:
        alpha, left, right = asymmetric_gaussian(block * np.roll(block, shift, axis=(0, 1)))
        found += [alpha, (right - left) * float(gamma(2 / alpha) / gamma(1 / alpha)), left, right]
    return found


def asymmetric_gaussian(values: Floats) -> tuple[float, float, float]:
    """Shape, left and right scale of the asymmetric generalised Gaussian whose moments are those of `values`.

    NaN where all values are of one sign or 0.
    """
    from scipy.special import gamma

    shapes, ratios = _shapes()
    below, above = values[values < 0], values[values > 0]
    if not below.size or not above.size:
        return float("nan"), float("nan"), float("nan")
    left, right = np.sqrt((below**2).mean()), np.sqrt((above**2).mean())
    skew = left / right
    ratio = np.abs(values).mean() ** 2 / (values**2).mean()
    normalised = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    alpha = shapes[np.argmin((ratios - normalised) ** 2)]
    scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return float(alpha), float(left * scale), float(right * scale)


@cache
def _shapes() -> tuple[Floats, Floats]:
    """The shapes that are tried, and what ratio of moments each has."""
    from scipy.special import gamma

    shapes = np.arange(0.2, 10.001, 0.001)
    return shapes, gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))


def write_random_file(path: Path) -> Path:
    """Parameters that stand in for BasicSR's: of their shapes, from random numbers; each time the same.

    Returns:
        `path`.
    """
    random = np.random.RandomState(0)
    samples = random.normal(0.5, 0.5, (100, FEATURES))
    line = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    window = np.outer(line, line) / line.sum() ** 2
    np.savez(
        path,
        mu_pris_param=samples.mean(axis=0, keepdims=True),
        cov_pris_param=np.cov(samples.T),
        gaussian_window=window,
    )
    return path
