"""Folders of one's own: HR alone, pairs, LR alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize
from tests.integration.datasets.reading import problem, samples, write_pairs


@pytest.mark.parametrize("scale", [8, 4])
def test_hr(tmp_path: Path, astronaut: NDArray[np.uint8], scale: int) -> None:
    wide = np.ascontiguousarray(astronaut[:96])
    write_png(tmp_path / "wide.png", wide)
    (sample,) = samples(f"folder-x{scale}", tmp_path)
    np.testing.assert_array_equal(sample.hr, wide)
    np.testing.assert_array_equal(sample.lr, resize(wide, (96 // scale, 192 // scale)))


def test_hr_that_does_not_fit_the_scale(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_png(tmp_path / "odd.png", np.ascontiguousarray(astronaut[:100]))
    assert problem("folder-x8", tmp_path).startswith("HR is 192x100, not a multiple of scale 8")


def test_face(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_png(tmp_path / "wide.png", np.ascontiguousarray(astronaut[:151]))
    (sample,) = samples("folder-face-x8", tmp_path)
    np.testing.assert_array_equal(sample.hr, resize(np.ascontiguousarray(astronaut[:151, 20:171]), (128, 128)))


@pytest.mark.parametrize("scale", [8, 4, 1])
def test_pairs_and_lr(tmp_path: Path, faces: list[Image8], scale: int) -> None:
    (tmp_path / "HR").mkdir()
    (tmp_path / "LR").mkdir()
    lr = imresize(faces[0], (128 // scale, 128 // scale))
    write_png(tmp_path / "HR" / "a.png", faces[0])
    write_png(tmp_path / "LR" / "a.png", lr)
    (pair,) = samples(f"folder-pairs-x{scale}", tmp_path)
    np.testing.assert_array_equal(pair.hr, faces[0])
    np.testing.assert_array_equal(pair.lr, lr)
    (alone,) = samples(f"folder-lr-x{scale}", tmp_path / "LR")
    assert alone.hr is None
    np.testing.assert_array_equal(alone.lr, lr)


def test_pairs_of_the_wrong_scale(tmp_path: Path, faces: list[Image8]) -> None:
    write_pairs(tmp_path, faces)
    message = problem("folder-pairs-x4", tmp_path)
    assert message == "HR is 128x128 and LR 16x16; at scale 4 HR must be 64x64"


def test_unpaired_files_are_listed(tmp_path: Path, faces: list[Image8]) -> None:
    write_pairs(tmp_path, faces)
    (tmp_path / "LR" / "face1.png").unlink()
    message = problem("folder-pairs-x8", tmp_path)
    assert "1 picture without a partner" in message
    assert str(tmp_path / "HR" / "face1.png") in message


@pytest.mark.parametrize("protocol", ["folder-x8", "folder-lr-x8"])
def test_one_id_per_stem(tmp_path: Path, faces: list[Image8], protocol: str) -> None:
    write_png(tmp_path / "a.png", faces[0])
    Image.fromarray(faces[0]).save(tmp_path / "a.bmp")
    assert "two pictures are called 'a'" in problem(protocol, tmp_path)


def test_an_unreadable_picture_is_named(tmp_path: Path, faces: list[Image8]) -> None:
    write_png(tmp_path / "a.png", faces[0])
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    assert problem("folder-x8", tmp_path).startswith(f"{tmp_path / 'b.png'}: damaged or truncated")
