"""Small pictures to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """24 crops of a face, 40x40 px."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(24):
        top, left = 20 + 5 * i, 100 - 3 * i
        Image.fromarray(astronaut[top : top + 40, left : left + 40]).save(folder / f"face{i:02d}.png")
    return folder
