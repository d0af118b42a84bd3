"""Every dataset read for real, from its layout on disk to the samples that methods get."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.data import protocols, sources
from facesr_bench.data.prepare import prepare
from facesr_bench.images.files import Image8, read_image, write_png
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import DatasetCard
from facesr_bench.plugins.dataset import DatasetBase
from facesr_bench.plugins.degradation import find_degradation, make_degradation
from facesr_bench.plugins.sample import Sample


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data is configured, whoever runs the tests."""
    for name in (*protocols.protocol_names(), *registry.datasets().names()):
        monkeypatch.delenv(sources.variable_of(name), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


def samples(protocol_name: str, root: Path | None) -> list[Sample]:
    """Every sample, read by several threads as the runner does."""
    dataset, protocol = sources.open_dataset(protocol_name, {} if root is None else {protocol_name: root})
    how = make_degradation(find_degradation(protocol.degradation), protocol.scale) if protocol.degradation else None
    with ThreadPoolExecutor(4) as pool:
        read = pool.map(lambda item: (item.id, dataset.read(item, protocol)), dataset.items(protocol))
        return [prepare(image_id, picture, protocol, how) for image_id, picture in read]


def content_hash(protocol_name: str, root: Path) -> str:
    dataset, protocol = sources.open_dataset(protocol_name, {protocol_name: root})
    return dataset.content_hash(dataset.items(protocol))


def problem(protocol_name: str, root: Path) -> str:
    """Why a protocol is refused, either when its items are listed or when one is read."""
    with pytest.raises(DataError) as caught:
        samples(protocol_name, root)
    return str(caught.value)


def ids(found: Sequence[Sample]) -> list[str]:
    return [sample.id for sample in found]


@pytest.fixture
def faces(astronaut: NDArray[np.uint8]) -> list[Image8]:
    """Three different 128x128 views of a real face."""
    return [np.ascontiguousarray(astronaut[20 + i : 148 + i, 30:158][:, :: (-1) ** i]) for i in range(3)]


def write_pairs(root: Path, faces: Sequence[Image8]) -> None:
    for folder in ("HR", "LR"):
        (root / folder).mkdir(parents=True)
    for i, face in enumerate(faces):
        write_png(root / "HR" / f"face{i}.png", face)
        # MATLAB's LR, which no degradation of these protocols makes: it must be read, not made again.
        write_png(root / "LR" / f"face{i}.png", imresize(face, (16, 16)))


class TestCards:
    @pytest.mark.parametrize("name", ["demo", "helen", "celeba", "lfw", "realworld", "folder"])
    def test_says_what_a_person_needs(self, name: str) -> None:
        card = registry.datasets().get(name).require_card()
        assert all(len(text) > 5 for text in (card.licence, card.obtain, card.layout, card.summary))
        assert all(name.startswith(card.name) for name in card.protocols)

    @pytest.mark.parametrize("name", ["demo-aligned", "hq512", "celeba-test"])
    def test_one_that_another_reads_says_so_too(self, name: str) -> None:
        plugin = registry.datasets().get(name)
        card = plugin.require_card()
        assert all(len(text) > 5 for text in (card.licence, card.obtain, card.layout, card.summary))
        assert card.implementation == plugin.code_folder.name != plugin.folder.name
        assert all(protocol.aligned == "ffhq" and protocol.scale == 1 for protocol in card.protocols.values())

    def test_full_sizes(self) -> None:
        expected = {
            "demo-x8": 7,
            "demo-blind": 6,
            "celeba-test-gfpgan": 3000,
            "celeba-test-daefr": 3000,
            "celeba-test-difface": 4000,
            "celeba-test-resshift": 2000,
            "fos-syn": 3150,
            "helen-x8": 330,
            "helen-dic-x8": 50,
            "helen-ctcnet-x8": 50,
            "helen-hybrimamba-x8": 50,
            "celeba-ctcnet-x8": 1000,
            "celeba-hybrimamba-x8": 1000,
            "celeba-x8": 19962,
            "celeba-dic-x8": 1000,
            "lfw-x8": 750,
            "realworld-lfw-test": 1711,
            "realworld-webphoto-test": 407,
            "realworld-wider-test": 970,
            "realworld-celebchild-test": 180,
            "realworld-celeba-testn": 1117,
            "realworld-fos": 4253,
            "realworld-ntire-celeba": 100,
            "realworld-ntire-lfw": 100,
            "realworld-ntire-celebchild": 50,
            "realworld-ntire-webphoto": 100,
            "realworld-ntire-wider": 100,
        }
        sized = {name: protocols.find_protocol(name)[1].expected_count for name in protocols.protocol_names()}
        assert {name: count for name, count in sized.items() if count is not None} == expected


class TestDemo:
    def test_seven_real_faces(self) -> None:
        found = samples("demo-x8", None)
        assert ids(found) == ["astronaut", "t1-1", "t1-2", "t1-3", "t1-4", "t1-5", "t1-6"]
        for sample in found:
            assert sample.hr is not None
            assert (sample.hr.shape, sample.lr.shape) == ((128, 128, 3), (16, 16, 3))
            np.testing.assert_array_equal(sample.lr, resize(sample.hr, (16, 16)))

    def test_every_crop_shows_one_upright_face(self, shared: Path) -> None:
        """A face detector finds exactly one face in each, in its middle and as large as the card says."""
        import cv2

        detector = cv2.FaceDetectorYN.create(str(shared / "weights" / "yunet_n_640_640.onnx"), "", (256, 256), 0.7)
        for sample in samples("demo-x8", None):
            assert sample.hr is not None
            bgr = np.ascontiguousarray(resize(sample.hr, (256, 256))[:, :, ::-1])
            _, boxes = detector.detect(bgr)
            assert boxes is not None and len(boxes) == 1, sample.id
            x, y, w, h = boxes[0, :4] / 256
            assert 0.55 < max(w, h) < 0.8, sample.id
            assert abs(x + w / 2 - 0.5) < 0.1 and abs(y + h / 2 - 0.5) < 0.1, sample.id

    def test_boxes_are_part_of_the_content(self) -> None:
        dataset, protocol = sources.open_dataset("demo-x8", {})
        moved = _changed(dataset.card, box=[141, 30, 166])
        other = type(dataset)(moved, None)
        assert other.content_hash(other.items(protocol)) != dataset.content_hash(dataset.items(protocol))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"sha256": "0" * 64}, r"astronaut\.png: not the picture that the demo's boxes were drawn on"),
            ({"file": "data/nobody.png"}, r"nobody\.png: missing; this version of package skimage does not ship it"),
            ({"package": "no_such_package"}, "package no_such_package is not installed"),
        ],
    )
    def test_another_picture(self, change: dict[str, str], message: str) -> None:
        dataset, protocol = sources.open_dataset("demo-x8", {})
        other = type(dataset)(_changed(dataset.card, None, **change), None)
        with pytest.raises(DataError, match=message):
            other.items(protocol)


def _changed(card: DatasetCard, box: list[int] | None = None, **picture: str) -> DatasetCard:
    options = card.model_dump()["options"]
    options["pictures"]["astronaut"].update(picture)
    if box is not None:
        options["faces"][0]["box"] = box
    return card.model_copy(update={"options": options})


def write_pts(path: Path, points: NDArray[np.float64]) -> None:
    lines = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{lines}\n}}\n", encoding="ascii")


class TestHelen:
    @pytest.fixture
    def tree(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
        root = tmp_path / "helen"
        root.mkdir()
        # 68 points on a circle of radius 40 around pixel (96, 90), in the file counted from 1.
        angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        points = np.column_stack([96 + 40 * np.cos(angle), 90 + 40 * np.sin(angle)])
        for name in ("b_1", "a_1"):
            write_png(root / f"{name}.png", astronaut)
            write_pts(root / f"{name}.pts", points + 1)
        return root

    def test_crop_and_landmarks(self, tree: Path, astronaut: NDArray[np.uint8]) -> None:
        found = samples("helen-x8", tree)
        assert ids(found) == ["a_1", "b_1"]
        sample = found[0]
        # Side 1.6 * 80 = 128, so nothing is resized. Left 96.5 - 64 = 32.5 -> 33; top 90.5 - 8 - 64 = 18.5 -> 19.
        np.testing.assert_array_equal(sample.hr, astronaut[19:147, 33:161])
        assert sample.landmarks is not None
        np.testing.assert_allclose(sample.landmarks[0], [96 + 40 - 33, 90 - 19], atol=1e-3)
        np.testing.assert_array_equal(sample.lr, resize(astronaut[19:147, 33:161], (16, 16)))

    def test_testset_folder(self, tree: Path) -> None:
        plain = content_hash("helen-x8", tree)
        nested = tree.parent / "nested"
        shutil.copytree(tree, nested / "testset")
        shutil.copytree(tree, nested / "trainset")
        assert ids(samples("helen-x8", nested)) == ["a_1", "b_1"]
        assert content_hash("helen-x8", nested) == plain
        (nested / "testset" / "a_1.pts").write_text((tree / "a_1.pts").read_text().replace("version: 1", "version:  1"))
        assert content_hash("helen-x8", nested) != plain

    def test_annotations_as_other_systems_write_them(self, tree: Path) -> None:
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

    def test_without_partner(self, tree: Path) -> None:
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
    def test_wrong_pts(self, tree: Path, text: str, message: str) -> None:
        (tree / "a_1.pts").write_text(text)
        assert message in problem("helen-x8", tree)
        assert str(tree / "a_1.pts") in problem("helen-x8", tree)

    def test_dic_pairs_are_read_as_they_are(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_pairs(tmp_path / "dic", faces)
        found = samples("helen-dic-x8", tmp_path / "dic")
        assert ids(found) == ["face0", "face1", "face2"]
        for sample, face in zip(found, faces, strict=True):
            np.testing.assert_array_equal(sample.hr, face)
            np.testing.assert_array_equal(sample.lr, imresize(face, (16, 16)))

    def test_dic_sizes(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_pairs(tmp_path / "dic", faces)
        write_png(tmp_path / "dic" / "LR" / "face1.png", resize(faces[1], (32, 32)))
        assert problem("helen-dic-x8", tmp_path / "dic") == "face1: LR is 32x32; protocol helen-dic-x8 wants 16x16"

    def test_dic_without_its_folders(self, tree: Path) -> None:
        assert "no folder HR and no folder LR in it" in problem("helen-dic-x8", tree)

    def test_the_official_test_set(self, shared: Path) -> None:
        found = samples("helen-x8", shared / "faces" / "helen_test")
        assert len(found) == 330
        for sample in found:
            assert sample.hr is not None and sample.landmarks is not None
            assert (sample.hr.shape, sample.lr.shape) == ((128, 128, 3), (16, 16, 3))
            # The whole face is in the crop, and fills as much of it as the card says.
            assert sample.landmarks.min() > -1 and sample.landmarks.max() < 128, sample.id
            extent = np.ptp(sample.landmarks, axis=0).max()
            assert extent > 128 / 1.6 - 1, sample.id


ANNOTATIONS = {
    "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n000004.jpg 2\n000005.jpg 2\n",
    "list_landmarks_align_celeba.txt": "202599\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y ...\n"
    "000002.jpg    69  109  106  113   77  142   73  152  108  154\n"
    "000004.jpg    70  110  107  114   78  143   74  153  109  155\n",
    "identity_CelebA.txt": "000001.jpg 2880\n000002.jpg 2937\n000004.jpg 10177\n000005.jpg 1\n",
}


class TestCelebA:
    @pytest.fixture
    def folder(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
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
    def zipped(self, tmp_path: Path, folder: Path) -> Path:
        root = tmp_path / "zipped"
        root.mkdir()
        with zipfile.ZipFile(root / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / "img_align_celeba").iterdir()):
                archive.write(path, f"img_align_celeba/{path.name}")
        for name in ANNOTATIONS:
            shutil.copy(folder / name, root / name)
        return root

    def test_samples(self, folder: Path) -> None:
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

    def test_zip_and_folder_are_the_same(self, folder: Path, zipped: Path) -> None:
        assert content_hash("celeba-x8", folder) == content_hash("celeba-x8", zipped)
        for a, b in zip(samples("celeba-x8", folder), samples("celeba-x8", zipped), strict=True):
            assert (a.id, a.identity) == (b.id, b.identity)
            np.testing.assert_array_equal(a.hr, b.hr)
            np.testing.assert_array_equal(a.lr, b.lr)
            np.testing.assert_array_equal(a.landmarks, b.landmarks)

    def test_many_threads_on_one_zip(self, zipped: Path) -> None:
        dataset, protocol = sources.open_dataset("celeba-x8", {"celeba": zipped})
        items = list(dataset.items(protocol)) * 40
        with ThreadPoolExecutor(16) as pool:
            pictures = list(pool.map(lambda item: dataset.read(item, protocol).hr, items))
        for i, picture in enumerate(pictures):
            np.testing.assert_array_equal(picture, pictures[i % 3])

    def test_layout_of_the_official_drive(self, folder: Path) -> None:
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

    def test_landmarks_and_identities_are_optional_but_hashed(self, folder: Path) -> None:
        before = content_hash("celeba-x8", folder)
        (folder / "identity_CelebA.txt").unlink()
        (folder / "list_landmarks_align_celeba.txt").unlink()
        found = samples("celeba-x8", folder)
        assert len(found) == 3
        assert all(sample.identity is None and sample.landmarks is None for sample in found)
        assert content_hash("celeba-x8", folder) != before

    def test_a_changed_picture_changes_the_hash(self, folder: Path) -> None:
        before = content_hash("celeba-x8", folder)
        shutil.copy(folder / "img_align_celeba" / "000001.jpg", folder / "img_align_celeba" / "000003.jpg")
        assert content_hash("celeba-x8", folder) == before  # not of this partition
        shutil.copy(folder / "img_align_celeba" / "000001.jpg", folder / "img_align_celeba" / "000002.jpg")
        assert content_hash("celeba-x8", folder) != before

    def test_a_subset_is_allowed(self, folder: Path) -> None:
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
    def test_zip_that_points_out_of_itself(self, zipped: Path, member: str) -> None:
        with zipfile.ZipFile(zipped / "img_align_celeba.zip", "a") as archive:
            archive.writestr(member, b"x")
        message = problem("celeba-x8", zipped)
        assert "points out of the archive" in message
        assert str(zipped / "img_align_celeba.zip") in message

    def test_damaged_zip(self, zipped: Path) -> None:
        path = zipped / "img_align_celeba.zip"
        whole = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            offset = archive.getinfo("img_align_celeba/000004.jpg").header_offset
        path.write_bytes(whole[: offset + 200] + bytes(100) + whole[offset + 300 :])
        message = problem("celeba-x8", zipped)
        assert message.startswith(f"{path}/000004.jpg: can't be read from the zip")
        path.write_bytes(whole[:-100])
        assert f"{path}: not a readable zip file" in problem("celeba-x8", zipped)

    def test_what_is_missing(self, folder: Path) -> None:
        for path in (folder / "img_align_celeba").iterdir():
            path.unlink()
        assert "none of the 3 pictures that list_eval_partition.txt lists as test" in problem("celeba-x8", folder)
        (folder / "img_align_celeba").rmdir()
        assert "neither img_align_celeba/ nor img_align_celeba.zip" in problem("celeba-x8", folder)
        (folder / "list_eval_partition.txt").unlink()
        assert "no list_eval_partition.txt in it" in problem("celeba-x8", folder)

    @pytest.mark.parametrize("line", ["000006.jpg", "000006.jpg two", "000006.jpg 2 2", "../000006.jpg 2"])
    def test_damaged_list(self, folder: Path, line: str) -> None:
        path = folder / "list_eval_partition.txt"
        path.write_text(ANNOTATIONS["list_eval_partition.txt"] + line + "\n")
        assert problem("celeba-x8", folder).startswith(f"{path}, line 6: ")

    def test_dic_pairs(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_pairs(tmp_path / "dic", faces)
        found = samples("celeba-dic-x8", tmp_path / "dic")
        assert ids(found) == ["face0", "face1", "face2"]
        np.testing.assert_array_equal(found[2].lr, imresize(faces[2], (16, 16)))
        before = content_hash("celeba-dic-x8", tmp_path / "dic")
        write_png(tmp_path / "dic" / "LR" / "face0.png", imresize(faces[1], (16, 16)))
        assert content_hash("celeba-dic-x8", tmp_path / "dic") != before


class TestLFW:
    @pytest.fixture
    def tree(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
        """Two held-out photographs of one person, and one of somebody who is not on the list."""
        picture = np.zeros((250, 250, 3), np.uint8)
        picture[29:221, 29:221] = astronaut
        for name in ("Abdullah_Gul_0001", "Abdullah_Gul_0002", "Nobody_Known_0001"):
            folder = tmp_path / "lfw" / name.rpartition("_")[0]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.roll(picture, int(name[-1]), axis=1)).save(folder / f"{name}.jpg", quality=95)
        return tmp_path / "lfw"

    def test_samples(self, tree: Path) -> None:
        found = samples("lfw-x8", tree)
        assert ids(found) == ["Abdullah_Gul_0001", "Abdullah_Gul_0002"]
        assert {sample.identity for sample in found} == {"Abdullah_Gul"}
        picture = read_image(tree / "Abdullah_Gul" / "Abdullah_Gul_0001.jpg")
        hr = resize(np.ascontiguousarray(picture[53:197, 53:197]), (128, 128))
        np.testing.assert_array_equal(found[0].hr, hr)
        np.testing.assert_array_equal(found[0].lr, resize(hr, (16, 16)))

    def test_as_the_archive_unpacks(self, tree: Path, tmp_path: Path) -> None:
        shutil.copytree(tree, tmp_path / "unpacked" / "lfw-deepfunneled")
        assert content_hash("lfw-x8", tmp_path / "unpacked") == content_hash("lfw-x8", tree)

    def test_another_folder(self, tree: Path) -> None:
        shutil.rmtree(tree / "Abdullah_Gul")
        message = problem("lfw-x8", tree)
        assert "none of the 750 photographs of lfw-x8 is in it" in message and str(tree) in message

    def test_all_of_them(self, shared: Path) -> None:
        found = samples("lfw-x8", shared / "faces" / "lfw_heldout")
        assert len(found) == 750 and len({sample.identity for sample in found}) == 500


class TestRealWorld:
    def test_low_quality_only(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
        face = resize(astronaut, (512, 512))
        write_png(tmp_path / "a.png", face)
        for name in protocols.protocol_names():
            plugin, protocol = protocols.find_protocol(name)
            if plugin.name == "realworld":
                (sample,) = samples(name, tmp_path)
                assert (sample.id, sample.hr, protocol.aligned) == ("a", None, "ffhq")
                assert not {"psnr", "ssim", "lpips"} & set(protocol.metrics), "nothing that needs a reference"
                np.testing.assert_array_equal(sample.lr, face)

    def test_wrong_size(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
        write_png(tmp_path / "a.png", astronaut)
        assert problem("realworld-lq", tmp_path) == "a: LR is 192x192; protocol realworld-lq wants 512x512"

    def test_real_ones(self, shared: Path) -> None:
        found = samples("realworld-lq", shared / "faces" / "realworld_lq")
        assert len(found) == 24
        assert all(sample.lr.shape == (512, 512, 3) and sample.hr is None for sample in found)


class TestFolder:
    @pytest.mark.parametrize("scale", [8, 4])
    def test_hr(self, tmp_path: Path, astronaut: NDArray[np.uint8], scale: int) -> None:
        wide = np.ascontiguousarray(astronaut[:96])
        write_png(tmp_path / "wide.png", wide)
        (sample,) = samples(f"folder-x{scale}", tmp_path)
        np.testing.assert_array_equal(sample.hr, wide)
        np.testing.assert_array_equal(sample.lr, resize(wide, (96 // scale, 192 // scale)))

    def test_hr_that_does_not_fit_the_scale(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
        write_png(tmp_path / "odd.png", np.ascontiguousarray(astronaut[:100]))
        assert problem("folder-x8", tmp_path).startswith("odd: HR is 192x100, not a multiple of scale 8")

    def test_face(self, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
        write_png(tmp_path / "wide.png", np.ascontiguousarray(astronaut[:151]))
        (sample,) = samples("folder-face-x8", tmp_path)
        np.testing.assert_array_equal(sample.hr, resize(np.ascontiguousarray(astronaut[:151, 20:171]), (128, 128)))

    @pytest.mark.parametrize("scale", [8, 4, 1])
    def test_pairs_and_lr(self, tmp_path: Path, faces: list[Image8], scale: int) -> None:
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

    def test_pairs_of_the_wrong_scale(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_pairs(tmp_path, faces)
        message = problem("folder-pairs-x4", tmp_path)
        assert message == "face0: HR is 128x128 and LR 16x16; at scale 4 HR must be 64x64"

    def test_unpaired_files_are_listed(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_pairs(tmp_path, faces)
        (tmp_path / "LR" / "face1.png").unlink()
        message = problem("folder-pairs-x8", tmp_path)
        assert "1 picture(s) without a partner" in message
        assert str(tmp_path / "HR" / "face1.png") in message

    @pytest.mark.parametrize("protocol", ["folder-x8", "folder-lr-x8"])
    def test_one_id_per_stem(self, tmp_path: Path, faces: list[Image8], protocol: str) -> None:
        write_png(tmp_path / "a.png", faces[0])
        Image.fromarray(faces[0]).save(tmp_path / "a.bmp")
        assert "two pictures are called 'a'" in problem(protocol, tmp_path)

    def test_an_unreadable_picture_is_named(self, tmp_path: Path, faces: list[Image8]) -> None:
        write_png(tmp_path / "a.png", faces[0])
        (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
        assert problem("folder-x8", tmp_path).startswith(f"{tmp_path / 'b.png'}: damaged or truncated")


def test_listing_imports_nothing_heavy() -> None:
    """Finding the demo's pictures must not import the packages that ship them."""
    code = (
        "import sys; from facesr_bench.data import sources as data; assert data.why_not_ready('demo-x8', {}) is None; "
        "print([m for m in ('skimage', 'insightface', 'torch', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_file_sha256_of_base_class(tmp_path: Path, faces: list[Image8]) -> None:
    """The hash every other dataset has: ids and file bytes, by hand."""
    write_png(tmp_path / "a.png", faces[0])
    bytes_hash = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert content_hash("folder-x8", tmp_path) == hashlib.sha256(f"a\0{bytes_hash}\0".encode()).hexdigest()


def test_plugin_packages_exist() -> None:
    assert all(importlib.util.find_spec(name) for name in ("skimage", "insightface"))
    assert all(issubclass(plugin.load_class(), DatasetBase) for plugin in registry.datasets().plugins)
