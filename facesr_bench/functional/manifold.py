"""Precision and recall of a set of pictures, from features.

Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models" (2019), eqs. 1 and 2: a
feature vector lies on a set's manifold if it is no farther from some vector of the set than that one's k-th nearest
neighbour in the set is, itself not counted. Precision is the share of SR on HR's manifold (are these faces?), recall
the share of HR on SR's (are there faces of every kind?).

Which set is the real one is said by name here, never by place: torch-fidelity swapped its two numbers with 0.4.0
(before, input1 was the real set; since, the generated one), so that scripts written for one print the other's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesr_bench.functional.features import Features, as_float64, check_widths

NEIGHBOURS = 3
"""k, as in the paper's figures, torch-fidelity and PMRF."""

BLOCK = 1024
"""Rows of the distance matrix held at a time."""

Float = NDArray[np.float64]


def precision(sr: Features, hr: Features) -> float:
    """The share of SR on HR's manifold, 0 to 1.

    Args:
        sr: NxD features of the generated set, a row per picture.
        hr: MxD of the real set.

    Raises:
        MetricError: features that are no finite matrix, of two widths, or of fewer than k + 1 = 4 pictures of HR.
    """
    return _covered(sr, by=hr, names=("SR", "HR"))


def recall(sr: Features, hr: Features) -> float:
    """The share of HR on SR's manifold, 0 to 1; arguments and errors as `precision`, with 4 pictures of SR."""
    return _covered(hr, by=sr, names=("HR", "SR"))


def _covered(points: Features, by: Features, names: tuple[str, str]) -> float:
    """The share of `points` on the manifold of `by`.

    Distances are taken one by one and not through a product of matrices: equal vectors then are at equal distances,
    to the last bit, on which "no farther" depends where a picture is its own ground truth.
    """
    from scipy.spatial.distance import cdist  # half a second that FID, which comes with this file, need not wait

    x, y = as_float64(points, names[0], 1), as_float64(by, names[1], NEIGHBOURS + 1)
    check_widths(x.shape[1], y.shape[1])
    starts = range(0, len(y), BLOCK)
    radii = np.concatenate([_radii(y[start : start + BLOCK], y) for start in starts])
    found = [(cdist(x[start : start + BLOCK], y) <= radii).any(axis=1) for start in range(0, len(x), BLOCK)]
    return float(np.concatenate(found).mean())


def _radii(rows: Float, all_rows: Float) -> Float:
    """The distance of each row to its k-th neighbour; the nearest of all is the row itself, at 0."""
    from scipy.spatial.distance import cdist

    nearest: Float = np.partition(cdist(rows, all_rows), NEIGHBOURS, axis=1)[:, NEIGHBOURS]
    return nearest
