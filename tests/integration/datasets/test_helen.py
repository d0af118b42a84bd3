"""Helen: photographs with annotations, and the pairs of DIC."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.images.files import Image8, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize
from tests.integration.datasets.reading import content_hash, ids, problem, samples, write_pairs


def write_pts(path: Path, points: NDArray[np.float64]) -> None:
    lines = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{lines}\n}}\n", encoding="ascii")


@pytest.fixture
def tree(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    root = tmp_path / "helen"
    root.mkdir()
    # 68 points on a circle of radius 40 around pixel (96, 90), in the file counted from 1.
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.column_stack([96 + 40 * np.cos(angle), 90 + 40 * np.sin(angle)])
    for name in ("b_1", "a_1"):
        write_png(root / f"{name}.png", astronaut)
        write_pts(root / f"{name}.pts", points + 1)
    return root


def test_crop_and_landmarks(tree: Path, astronaut: NDArray[np.uint8]) -> None:
    found = samples("helen-x8", tree)
    assert ids(found) == ["a_1", "b_1"]
    sample = found[0]
    # Side 1.6 * 80 = 128, so nothing is resized. Left 96.5 - 64 = 32.5 -> 33; top 90.5 - 8 - 64 = 18.5 -> 19.
    np.testing.assert_array_equal(sample.hr, astronaut[19:147, 33:161])
    assert sample.landmarks is not None
    np.testing.assert_allclose(sample.landmarks[0], [96 + 40 - 33, 90 - 19], atol=1e-3)
    np.testing.assert_array_equal(sample.lr, resize(astronaut[19:147, 33:161], (16, 16)))


def test_testset_folder(tree: Path) -> None:
    plain = content_hash("helen-x8", tree)
    nested = tree.parent / "nested"
    shutil.copytree(tree, nested / "testset")
    shutil.copytree(tree, nested / "trainset")
    assert ids(samples("helen-x8", nested)) == ["a_1", "b_1"]
    assert content_hash("helen-x8", nested) == plain
    (nested / "testset" / "a_1.pts").write_text((tree / "a_1.pts").read_text().replace("version: 1", "version:  1"))
    assert content_hash("helen-x8", nested) != plain


def test_annotations_as_other_systems_write_them(tree: Path) -> None:
    """`.PTS`, a byte order mark, and a name in the other Unicode form."""
    plain = samples("helen-x8", tree)[0]
    (tree / "a_1.pts").rename(tree / "a_1.PTS")
    (tree / "a_1.PTS").write_bytes(b"\xef\xbb\xbf" + (tree / "a_1.PTS").read_bytes())
    (tree / "b_1.png").rename(tree / "Jos\u00e9.png")
    (tree / "b_1.pts").rename(tree / "Jose\u0301.pts")
    found = samples("helen-x8", tree)
    assert ids(found) == ["Jos\u00e9", "a_1"] or ids(found) == ["a_1", "Jos\u00e9"]
    again = next(sample for sample in found if sample.id == "a_1")
    assert again.landmarks is not None and plain.landmarks is not None
    np.testing.assert_array_equal(again.landmarks, plain.landmarks)


def test_without_partner(tree: Path) -> None:
    (tree / "a_1.pts").rename(tree / "c_1.pts")
    message = problem("helen-x8", tree)
    assert "2 file(s) without a partner" in message
    assert str(tree / "a_1.png") in message
    assert str(tree / "c_1.pts") in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected 68 points"),
        ("version: 1\n{\n1 2\n3 4\n}\n", "expected 68 points"),
        ("{\n1 two\n}\n", "not two numbers"),
        ("{\n1 2\n3\n}\n", "not two numbers"),
        ("{\n" + "1 1\n" * 2 + "1 nan\n" * 66 + "}\n", "NaN or infinity in 66 of its points, the first: point 3"),
    ],
)
def test_wrong_pts(tree: Path, text: str, message: str) -> None:
    (tree / "a_1.pts").write_text(text)
    assert message in problem("helen-x8", tree)
    assert str(tree / "a_1.pts") in problem("helen-x8", tree)


def test_dic_pairs_are_read_as_they_are(tmp_path: Path, faces: list[Image8]) -> None:
    write_pairs(tmp_path / "dic", faces)
    found = samples("helen-dic-x8", tmp_path / "dic")
    assert ids(found) == ["face0", "face1", "face2"]
    for sample, face in zip(found, faces, strict=True):
        np.testing.assert_array_equal(sample.hr, face)
        np.testing.assert_array_equal(sample.lr, imresize(face, (16, 16)))


def test_dic_sizes(tmp_path: Path, faces: list[Image8]) -> None:
    write_pairs(tmp_path / "dic", faces)
    write_png(tmp_path / "dic" / "LR" / "face1.png", resize(faces[1], (32, 32)))
    assert problem("helen-dic-x8", tmp_path / "dic") == "LR is 32x32; protocol helen-dic-x8 wants 16x16"


def test_dic_without_its_folders(tree: Path) -> None:
    assert "no folder HR and no folder LR in it" in problem("helen-dic-x8", tree)


def test_the_official_test_set(shared: Path) -> None:
    found = samples("helen-x8", shared / "faces" / "helen_test")
    assert len(found) == 330
    for sample in found:
        assert sample.hr is not None and sample.landmarks is not None
        assert (sample.hr.shape, sample.lr.shape) == ((128, 128, 3), (16, 16, 3))
        # The whole face is in the crop, and fills as much of it as the card says.
        assert sample.landmarks.min() > -1 and sample.landmarks.max() < 128, sample.id
        extent = np.ptp(sample.landmarks, axis=0).max()
        assert extent > 128 / 1.6 - 1, sample.id
