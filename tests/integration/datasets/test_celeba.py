"""CelebA: as a folder, a zip, and the pairs of DIC."""

from __future__ import annotations

import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.data import sources
from facesr_bench.images.files import Image8, read_image, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize
from tests.integration.datasets.reading import content_hash, ids, problem, samples, write_pairs

ANNOTATIONS = {
    "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n000004.jpg 2\n000005.jpg 2\n",
    "list_landmarks_align_celeba.txt": "202599\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y ...\n"
    "000002.jpg    69  109  106  113   77  142   73  152  108  154\n"
    "000004.jpg    70  110  107  114   78  143   74  153  109  155\n",
    "identity_CelebA.txt": "000001.jpg 2880\n000002.jpg 2937\n000004.jpg 10177\n000005.jpg 1\n",
}


@pytest.fixture
def folder(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """Five pictures of 178x218, three of them in the test partition."""
    root = tmp_path / "folder"
    (root / "img_align_celeba").mkdir(parents=True)
    tall = np.concatenate([astronaut, astronaut[:26]])[:, 7:185]
    assert tall.shape == (218, 178, 3)
    for i in range(1, 6):
        picture = Image.fromarray(np.roll(tall, i, axis=0))
        picture.save(root / "img_align_celeba" / f"{i:06}.jpg", quality=95)
    for name, text in ANNOTATIONS.items():
        (root / name).write_text(text, encoding="ascii")
    return root


@pytest.fixture
def zipped(tmp_path: Path, folder: Path) -> Path:
    root = tmp_path / "zipped"
    root.mkdir()
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
    for name in ANNOTATIONS:
        shutil.copy(folder / name, root / name)
    return root


def test_samples(folder: Path) -> None:
    found = samples("celeba-x8", folder)
    assert ids(found) == ["000002", "000004", "000005"]
    assert [sample.identity for sample in found] == ["2937", "10177", "1"]
    picture = read_image(folder / "img_align_celeba" / "000002.jpg")
    hr = resize(np.ascontiguousarray(picture[20:198]), (128, 128))
    np.testing.assert_array_equal(found[0].hr, hr)
    np.testing.assert_array_equal(found[0].lr, resize(hr, (16, 16)))
    assert found[0].landmarks is not None
    np.testing.assert_allclose(found[0].landmarks[0], [69.5 * 128 / 178 - 0.5, 89.5 * 128 / 178 - 0.5])
    assert found[2].landmarks is None


def test_zip_and_folder_are_the_same(folder: Path, zipped: Path) -> None:
    assert content_hash("celeba-x8", folder) == content_hash("celeba-x8", zipped)
    for a, b in zip(samples("celeba-x8", folder), samples("celeba-x8", zipped), strict=True):
        assert (a.id, a.identity) == (b.id, b.identity)
        np.testing.assert_array_equal(a.hr, b.hr)
        np.testing.assert_array_equal(a.lr, b.lr)
        np.testing.assert_array_equal(a.landmarks, b.landmarks)


def test_many_threads_on_one_zip(zipped: Path) -> None:
    dataset, protocol = sources.open_dataset("celeba-x8", {"celeba": zipped})
    items = list(dataset.items(protocol)) * 40
    with ThreadPoolExecutor(16) as pool:
        pictures = list(pool.map(lambda item: dataset.read(item, protocol).hr, items))
    for i, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, pictures[i % 3])


def test_layout_of_the_official_drive(folder: Path) -> None:
    before = content_hash("celeba-x8", folder)
    official = {
        "img_align_celeba": "Img",
        "list_eval_partition.txt": "Eval",
        "list_landmarks_align_celeba.txt": "Anno",
        "identity_CelebA.txt": "Anno",
    }
    for name, place in official.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / name).rename(folder / place / name)
    assert content_hash("celeba-x8", folder) == before


def test_landmarks_and_identities_are_optional_but_hashed(folder: Path) -> None:
    before = content_hash("celeba-x8", folder)
    (folder / "identity_CelebA.txt").unlink()
    (folder / "list_landmarks_align_celeba.txt").unlink()
    found = samples("celeba-x8", folder)
    assert len(found) == 3
    assert all(sample.identity is None and sample.landmarks is None for sample in found)
    assert content_hash("celeba-x8", folder) != before


def test_a_changed_picture_changes_the_hash(folder: Path) -> None:
    before = content_hash("celeba-x8", folder)
    shutil.copy(folder / "img_align_celeba" / "000001.jpg", folder / "img_align_celeba" / "000003.jpg")
    assert content_hash("celeba-x8", folder) == before  # not of this partition
    shutil.copy(folder / "img_align_celeba" / "000001.jpg", folder / "img_align_celeba" / "000002.jpg")
    assert content_hash("celeba-x8", folder) != before


def test_a_subset_is_allowed(folder: Path) -> None:
    (folder / "img_align_celeba" / "000004.jpg").unlink()
    assert ids(samples("celeba-x8", folder)) == ["000002", "000005"]


@pytest.mark.parametrize(
    "member",
    [
        "../evil.jpg",
        "img_align_celeba/../../evil.jpg",
        "/evil.jpg",
        "img_align_celeba\\..\\evil.jpg",
        "C:/evil.jpg",
    ],
)
def test_zip_that_points_out_of_itself(zipped: Path, member: str) -> None:
    with zipfile.ZipFile(zipped / "img_align_celeba.zip", "a") as archive:
        archive.writestr(member, b"x")
    message = problem("celeba-x8", zipped)
    assert "points out of the archive" in message
    assert str(zipped / "img_align_celeba.zip") in message


def test_damaged_zip(zipped: Path) -> None:
    path = zipped / "img_align_celeba.zip"
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("img_align_celeba/000004.jpg").header_offset
    path.write_bytes(whole[: offset + 200] + bytes(100) + whole[offset + 300 :])
    message = problem("celeba-x8", zipped)
    assert message.startswith(f"{path}/000004.jpg: can't be read from the zip")
    path.write_bytes(whole[:-100])
    assert f"{path}: not a readable zip file" in problem("celeba-x8", zipped)


def test_what_is_missing(folder: Path) -> None:
    for path in (folder / "img_align_celeba").iterdir():
        path.unlink()
    assert "none of the 3 pictures that list_eval_partition.txt lists as test" in problem("celeba-x8", folder)
    (folder / "img_align_celeba").rmdir()
    assert "neither img_align_celeba/ nor img_align_celeba.zip" in problem("celeba-x8", folder)
    (folder / "list_eval_partition.txt").unlink()
    assert "no list_eval_partition.txt in it" in problem("celeba-x8", folder)


@pytest.mark.parametrize("line", ["000006.jpg", "000006.jpg two", "000006.jpg 2 2", "../000006.jpg 2"])
def test_damaged_list(folder: Path, line: str) -> None:
    path = folder / "list_eval_partition.txt"
    path.write_text(ANNOTATIONS["list_eval_partition.txt"] + line + "\n")
    assert problem("celeba-x8", folder).startswith(f"{path}, line 6: ")


def test_dic_pairs(tmp_path: Path, faces: list[Image8]) -> None:
    write_pairs(tmp_path / "dic", faces)
    found = samples("celeba-dic-x8", tmp_path / "dic")
    assert ids(found) == ["face0", "face1", "face2"]
    np.testing.assert_array_equal(found[2].lr, imresize(faces[2], (16, 16)))
    before = content_hash("celeba-dic-x8", tmp_path / "dic")
    write_png(tmp_path / "dic" / "LR" / "face0.png", imresize(faces[1], (16, 16)))
    assert content_hash("celeba-dic-x8", tmp_path / "dic") != before
