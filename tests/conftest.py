"""Fixtures that every kind of test shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Optional data for real runs, beside the checkout; a test that needs it skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "faces").is_dir():
        pytest.skip("needs the optional ../shared data")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A real face that scikit-image ships: 192x192x3 uint8."""
    from skimage import data

    picture: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture[0:192, 128:320])
