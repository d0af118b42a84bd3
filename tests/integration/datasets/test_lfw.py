"""LFW: held-out photographs, two of a person."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.images.files import read_image
from facesr_bench.images.resize import resize
from tests.integration.datasets.reading import content_hash, ids, problem, samples


@pytest.fixture
def tree(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """Two held-out photographs of one person, and one of somebody who is not on the list."""
    picture = np.zeros((250, 250, 3), np.uint8)
    picture[29:221, 29:221] = astronaut
    for name in ("Abdullah_Gul_0001", "Abdullah_Gul_0002", "Nobody_Known_0001"):
        folder = tmp_path / "lfw" / name.rpartition("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(picture, int(name[-1]), axis=1)).save(folder / f"{name}.jpg", quality=95)
    return tmp_path / "lfw"


def test_samples(tree: Path) -> None:
    found = samples("lfw-x8", tree)
    assert ids(found) == ["Abdullah_Gul_0001", "Abdullah_Gul_0002"]
    assert {sample.identity for sample in found} == {"Abdullah_Gul"}
    picture = read_image(tree / "Abdullah_Gul" / "Abdullah_Gul_0001.jpg")
    hr = resize(np.ascontiguousarray(picture[53:197, 53:197]), (128, 128))
    np.testing.assert_array_equal(found[0].hr, hr)
    np.testing.assert_array_equal(found[0].lr, resize(hr, (16, 16)))


def test_as_the_archive_unpacks(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "unpacked" / "lfw-deepfunneled")
    assert content_hash("lfw-x8", tmp_path / "unpacked") == content_hash("lfw-x8", tree)


def test_another_folder(tree: Path) -> None:
    shutil.rmtree(tree / "Abdullah_Gul")
    message = problem("lfw-x8", tree)
    assert "none of the 750 photographs of lfw-x8 is in it" in message and str(tree) in message


def test_all_of_them(shared: Path) -> None:
    found = samples("lfw-x8", shared / "faces" / "lfw_heldout")
    assert len(found) == 750 and len({sample.identity for sample in found}) == 500
