"""The Frechet distance between two sets of features, or between their statistics: the number behind FID.

    d = |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)

is the squared Frechet (2-Wasserstein) distance between two normal distributions (Dowson and Landau, "The Frechet
distance between multivariate normal distributions", 1982), and FID (Heusel et al., "GANs Trained by a Two Time-Scale
Update Rule Converge to a Local Nash Equilibrium", 2017) is its value for Inception features, with the sample
covariance over n - 1, as numpy.cov in the authors' code.

The last trace needs no matrix square root. Write C = F'F for each set. C1 C2 = F1' (F1 F2' F2) has the nonzero
eigenvalues of F1 F2' (F1 F2')', so the sum of their square roots is the sum of the singular values of F1 F2', its
nuclear norm. With fewer images than features, F is the centred features over sqrt(n - 1), and F1 F2' is a small matrix
that holds the exact answer, where the usual iterative square root has to work on a DxD product that is singular.
Otherwise F comes from the eigendecomposition C = V diag(l) V' as diag(sqrt l) V'.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.features import Features, as_float64, check_finite, check_widths

Float = NDArray[np.float64]

OVERFLOW = "the features are so large that their squares overflow float64"

BLOCK = 1024
"""Rows of features converted to float64 at a time."""

SYMMETRY_SLACK = 1e-4
"""How far, relative to the largest entry, a covariance may be from its transpose: float32 files are not exact."""

NEGATIVE_SLACK = 1e-3
"""How negative, relative to the largest eigenvalue, an eigenvalue may be and still count as float32 noise around 0."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Statistics of a set's features: all that a Frechet distance needs of it.

    Attributes:
        mean: D, float64.
        cov: DxD, float64, symmetric: the sample covariance, over n - 1.
        n: how many images they are of; None where a file doesn't say.

    Raises:
        MetricError: on construction, if the shapes don't fit, or `cov` is not finite and symmetric.
    """

    mean: Float
    cov: Float
    n: int | None = None

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.size == 0 or self.cov.shape != (self.mean.size, self.mean.size):
            raise MetricError(
                f"statistics are a mean of D numbers and a DxD covariance, not of shapes {self.mean.shape} and "
                f"{self.cov.shape}"
            )
        check_finite(self.mean, "the mean's values")
        check_finite(self.cov, "the covariance's values")
        if np.abs(self.cov - self.cov.T).max() > SYMMETRY_SLACK * np.abs(self.cov).max():
            raise MetricError("the covariance is not symmetric, so it is no covariance")

    @classmethod
    def from_features(cls, features: Features, what: str = "the set") -> Gaussian:
        """Mean and sample covariance of NxD features.

        Args:
            what: the features' name in errors.

        Raises:
            MetricError: not NxD finite floats with N >= 2.
        """
        mean, cov, n = _statistics(features, what)
        return cls(mean, cov, n)

    @classmethod
    def from_file(cls, path: Path) -> Gaussian:
        """Statistics that another tool stored.

        Takes `.npz` with `mu` and `sigma` (pytorch-fid's `--save-stats`, clean-fid, TTUR), and PyTorch files that hold
        a dict with `mean` and `cov` (BasicSR's `inception_FFHQ_512.pth`, NumPy arrays or tensors), which are read
        without ever running code from them. Neither says how many images were used.

        Raises:
            MetricError: missing, damaged, another kind of file, or not statistics; says which file.
        """
        if path.is_dir():
            raise MetricError(f"{path}: a folder, where a file of statistics is expected (.npz, .pt, .pth)")
        if not path.is_file():
            raise MetricError(f"{path}: no such file")
        mean, cov = _read_npz(path) if path.suffix == ".npz" else _read_torch(path)
        for name, values in (("mean", mean), ("covariance", cov)):
            if not np.issubdtype(values.dtype, np.floating):
                raise MetricError(f"{path}: its {name} must be floats, not {values.dtype}")
        try:
            return cls(mean.astype(np.float64), cov.astype(np.float64))
        except MetricError as error:
            raise MetricError(f"{path}: {error}") from error

    @cached_property
    def factor(self) -> Float:
        """F with F'F = cov, KxD, K the numerical rank; kept, so that a reference set is decomposed once.

        Raises:
            MetricError: `cov` has negative eigenvalues beyond rounding.
        """
        values, vectors = np.linalg.eigh((self.cov + self.cov.T) / 2)
        top = float(values[-1])
        if values[0] < -NEGATIVE_SLACK * abs(top):
            raise MetricError(
                f"the covariance has eigenvalues from {values[0]:.3g} to {top:.3g}, so it is no covariance"
            )
        kept = values > np.finfo(np.float64).eps * top
        factor: Float = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
        return factor


def frechet_distance(a: Features | Gaussian, b: Features | Gaussian) -> float:
    """The squared Frechet distance between two sets, exact to rounding; of Inception features, FID.

    Args:
        a, b: each NxD features of any float dtype (N >= 2, one D, finite), or statistics. Computed in float64.

    Returns:
        A float >= 0, symmetric in a and b, 0.0 for a set and itself.

    Raises:
        MetricError: features or statistics that aren't what they should be, or of different D.

    Examples:
        Two sets that differ in their means alone are as far apart as those, squared:

        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(500, 4))
        >>> round(frechet_distance(features, features + 0.5), 6)
        1.0
        >>> frechet_distance(features, features)
        0.0
    """
    mean_a, factor_a = _moments(a, "the first set")
    mean_b, factor_b = _moments(b, "the second set")
    check_widths(mean_a.size, mean_b.size)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = mean_a - mean_b
        traces = float((factor_a * factor_a).sum() + (factor_b * factor_b).sum())
        product = factor_a @ factor_b.T
        if not np.isfinite(traces) or not np.isfinite(product).all():
            raise MetricError(OVERFLOW)
        spread = traces - 2 * _nuclear_norm(product)
        # Below what rounding leaves of a difference of two sums this large, it says nothing but zero.
        if spread < 8 * max(*product.shape, 1) * np.finfo(np.float64).eps * traces:
            spread = 0.0
        distance = float(difference @ difference) + spread
    if not np.isfinite(distance):
        raise MetricError(OVERFLOW)
    return distance


def _moments(given: Features | Gaussian, what: str) -> tuple[Float, Float]:
    """The mean, and a factor F with F'F = the covariance."""
    if isinstance(given, Gaussian):
        return given.mean, given.factor
    shape = np.shape(given)
    if len(shape) == 2 and shape[0] < shape[1]:
        values = as_float64(given, what, minimum=2)
        mean = values.mean(axis=0)
        return mean, (values - mean) / np.sqrt(len(values) - 1)
    statistics = Gaussian.from_features(given, what)
    return statistics.mean, statistics.factor


def _statistics(features: Features, what: str) -> tuple[Float, Float, int]:
    """Mean, sample covariance and count, in float64 a block at a time: large sets are not copied."""
    given = np.asarray(features)
    as_float64(given[:2] if given.ndim == 2 else given, what, minimum=2)  # says what is wrong with shape or type
    n, d = given.shape
    mean, cov = np.zeros(d), np.zeros((d, d))
    starts = range(0, n, BLOCK)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in starts:
            mean += as_float64(given[start : start + BLOCK], what, minimum=1).sum(axis=0)
        mean /= n
        for start in starts:
            centred = given[start : start + BLOCK].astype(np.float64) - mean
            cov += centred.T @ centred
        cov /= n - 1
    if not np.isfinite(cov).all():
        raise MetricError(OVERFLOW)
    return mean, cov, n


def _nuclear_norm(matrix: Float) -> float:
    """The sum of the singular values."""
    if 0 in matrix.shape:
        return 0.0  # a set of identical images has a covariance of rank 0
    try:
        return float(np.linalg.svd(matrix, compute_uv=False).sum())
    except np.linalg.LinAlgError as error:
        raise MetricError(f"the features' singular values can't be computed: {error}") from error


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if "mu" in file and "sigma" in file:
                return file["mu"], file["sigma"]
            found = ", ".join(file) or "nothing"
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise MetricError(f"{path}: not an .npz of arrays, or damaged: {error}") from error
    raise MetricError(f"{path}: no statistics in it: it holds {found}, wanted mu and sigma")


def _read_torch(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import torch

    # What the pickle of a NumPy array of floats names, and nothing else; BasicSR's file was written by NumPy 1, which
    # kept the function elsewhere.
    rebuild = np.empty(0).__reduce__()[0]
    allowed: list[Any] = [np.ndarray, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
    allowed += [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    try:
        with torch.serialization.safe_globals(allowed):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MetricError(
            f"{path}: refused, because it is damaged, another kind of file (.npz ends in .npz), or holds Python "
            "objects that could run code when loaded"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, OSError, zipfile.BadZipFile) as error:
        raise MetricError(f"{path}: not a PyTorch file, or damaged: {error}") from error
    if not isinstance(stored, dict) or not {"mean", "cov"} <= stored.keys():
        found = ", ".join(map(str, stored)) if isinstance(stored, dict) else type(stored).__name__
        raise MetricError(f"{path}: no statistics in it: it holds {found or 'nothing'}, wanted mean and cov")
    return np.asarray(stored["mean"]), np.asarray(stored["cov"])
