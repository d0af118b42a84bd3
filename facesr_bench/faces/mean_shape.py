"""The mean of 68 landmarks (iBUG): where the others lie, about, when only five are known.

Mean of what dlib's 68-point predictor found on 510 photographs of other people than any evaluation set has (every
sixteenth of sparnet's training pictures, see methods/sparnet/training), each brought to ArcFace's 112x112 template by
its five points. Good for placing a box around a face, not for measuring one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.faces.alignment import similarity
from facesr_bench.faces.points import Points, five_points

# fmt: off
MEAN_SHAPE: Points = np.array([
    (15.2, 54.1), (15.5, 64.9), (16.7, 75.6), (18.7, 86.2), (22.6, 96.1), (28.8, 104.8), (36.8, 112.0),
    (45.9, 117.8), (56.3, 119.5), (66.8, 117.8), (76.1, 112.2), (84.3, 105.2), (90.7, 96.5), (94.7, 86.5),
    (96.8, 75.8), (97.9, 64.8), (98.2, 53.8), (23.5, 45.4), (28.2, 40.7), (35.1, 39.1), (42.3, 39.9), (49.0, 42.7),
    (62.4, 42.5), (69.3, 39.8), (76.6, 38.8), (83.7, 40.5), (88.7, 45.1), (55.8, 51.3), (55.8, 58.2), (55.7, 65.0),
    (55.7, 72.1), (47.8, 77.4), (51.7, 78.8), (55.9, 79.9), (60.1, 78.7), (64.1, 77.4), (31.5, 52.9), (35.8, 50.5),
    (40.9, 50.5), (45.3, 53.7), (40.6, 54.5), (35.6, 54.5), (66.7, 53.6), (71.0, 50.4), (76.1, 50.3), (80.4, 52.7),
    (76.4, 54.3), (71.4, 54.4), (40.5, 91.0), (46.1, 88.2), (51.7, 86.8), (55.9, 87.8), (60.2, 86.8), (66.1, 88.2),
    (72.0, 90.9), (66.4, 96.3), (60.6, 98.7), (56.1, 99.2), (51.5, 98.8), (45.9, 96.4), (42.9, 91.2), (51.7, 90.3),
    (56.0, 90.8), (60.2, 90.3), (69.6, 91.1), (60.3, 93.5), (56.0, 94.0), (51.7, 93.5),
])
# fmt: on
"""68x2, px of a 112x112 picture aligned by ArcFace's template."""


def landmarks_from_five(five: NDArray[Any]) -> Points:
    """The mean shape, 68x2, moved, turned and scaled so that its five points come closest to those given.

    Args:
        five: 5x2 in the order of `facesr_bench.faces.points.five_points`, px.

    Raises:
        MetricError: another shape, NaN or infinity.
    """
    matrix = similarity(five_points(MEAN_SHAPE), five_points(five))
    return np.asarray(MEAN_SHAPE @ matrix[:, :2].T + matrix[:, 2])
