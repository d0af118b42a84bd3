"""`align`: from photographs to aligned faces, and what is on record of each; one bad photograph costs itself alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.cli import main
from facesr_bench.data.ffhq import five_of_68
from facesr_bench.data.sources import open_dataset
from facesr_bench.faces.photographs import cut
from facesr_bench.images.files import Image8, pixel_sha256, read_image, write_png

pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def group() -> Image8:
    """Six people at a table."""
    dataset, protocol = open_dataset("demo-x8", {})
    item = next(item for item in dataset.items(protocol) if item.id == "t1-1")
    picture = dataset.read(item, protocol).hr
    assert picture is not None
    return picture


def manifest(out: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(out, "manifest.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def photographs(group: Image8, astronaut: Image8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six people; one on their side, far too small beside; a file that is no picture; a wall."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photographs"
    folder.mkdir()
    write_png(folder / "group <b>ü.png", group)
    write_png(folder / "lying.png", np.ascontiguousarray(np.rot90(astronaut)))
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "folder.png").mkdir()
    Image.new("RGB", (150, 100), "gray").save(folder / "wall.png")
    (folder / "wall.jpg").write_bytes(b"")
    return folder


def test_every_face_is_cut_out_and_each_failure_costs_its_photograph_alone(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["align", str(photographs), "--out", "faces", "--detector", "dlib", "--size", "256"]) == 1
    said = capsys.readouterr().err
    assert "7 faces in 2 of 6 photographs, found by dlib-hog; they are in faces/faces" in said
    assert not said.startswith("\n"), "a progress bar that nobody sees leaves no empty line"
    assert "failed wall.png: dlib-hog found no face in the 150x100 picture, upright or turned" in said
    made = manifest("faces")
    assert made["failed"].keys() == {"torn", "folder", "wall.png", "wall.jpg"}
    assert "damaged" in made["failed"]["torn"] and "it is a folder" in made["failed"]["folder"]
    files = [face["file"] for photograph in made["photographs"] for face in photograph["faces"]]
    assert sorted(files) == sorted(f"faces/{path.name}" for path in Path("faces/faces").iterdir())
    for photograph in made["photographs"]:
        pixels = read_image(photographs / photograph["file"])
        assert photograph["sha256"] == pixel_sha256(pixels)
        for face in photograph["faces"]:
            again, beyond = cut(pixels, np.array(face["matrix"]), 256)
            np.testing.assert_array_equal(read_image(Path("faces", face["file"])), again)
            assert face["beyond_border"] == pytest.approx(beyond, abs=1e-4)


def test_points_are_those_of_the_faces_also_of_one_that_lies_on_its_side(photographs: Path) -> None:
    (photographs / "wall.png").unlink()
    assert main(["align", str(photographs), "--out", "faces", "--detector", "dlib", "--size", "128"]) == 1
    group, lying = manifest("faces")["photographs"]
    dataset, protocol = open_dataset("demo-x8", {})
    known = {item.id: dataset.read(item, protocol).landmarks for item in dataset.items(protocol)}
    eyes = np.stack([five_of_68(points)[:2] for name, points in known.items() if points is not None and "t1" in name])
    for face in group["faces"]:
        away = np.abs(eyes - np.array(face["points"])[:2]).max(axis=(1, 2)).min()
        assert away < 0.12 * face["eye_distance"]
    assert [face["rotation"] for face in lying["faces"]] == [pytest.approx(-90, abs=8)]
    assert lying["faces"][0]["enlarged"] > 0.7


def test_the_same_call_gives_the_same_faces_and_leaves_none_of_before(photographs: Path) -> None:
    call = ["align", str(photographs / "lying.png"), "--out", "faces", "--detector", "dlib", "--size", "64"]
    assert main(call) == 0
    first = {path.name: path.read_bytes() for path in Path("faces/faces").iterdir()}
    assert first.keys() == {"lying-1.png"}
    shutil.copy(next(Path("faces/faces").iterdir()), "faces/faces/of-before.png")
    assert main(call) == 0
    assert {path.name: path.read_bytes() for path in Path("faces/faces").iterdir()} == first


def test_small_faces_are_left_out_and_on_record(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["align", str(photographs / "group <b>ü.png"), "--out", "faces", "--detector", "dlib"]
    assert main([*call, "--smallest", "40"]) == 0
    assert "too small" in capsys.readouterr().err
    (photograph,) = manifest("faces")["photographs"]
    assert photograph["faces"] and photograph["left_out"]
    assert len(photograph["faces"]) + len(photograph["left_out"]) == 6
    assert all(face["eye_distance"] < 40 and "40 are asked for" in face["reason"] for face in photograph["left_out"])
    assert main([*call, "--smallest", "500"]) == 1
    assert "only faces that are too small" in capsys.readouterr().err
    assert not list(Path("faces/faces").iterdir())


def test_misuse_is_said(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/important.txt").write_text("x")
    for call, words in {
        ("nowhere", "faces"): "nowhere: no such folder",
        ("mine/important.txt", "faces"): "important.txt: not a picture by its name",
        (str(photographs), str(photographs)): "the pictures to work on are there",
        (str(photographs), "mine"): "mine: holds files that `facesr-bench align` did not make",
    }.items():
        assert main(["align", call[0], "--out", call[1], "--detector", "dlib"]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["align", str(photographs), "--out", "faces", "--size", "3"])


def test_without_a_detector_it_says_how_to_get_one(
    photographs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(photographs.parent / "empty"))
    assert main(["align", str(photographs), "--out", "faces", "--detector", "yunet"]) == 2
    assert "yunet" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    assert main(["align", str(photographs), "--out", "faces"]) == 2
    assert "facesr-bench weights import yunet_n_640_640.onnx" in capsys.readouterr().err


def test_yunet_finds_the_same_people(photographs: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(photographs.parent / "cache"))
    assert main(["weights", "import", str(shared / "weights" / "yunet_n_640_640.onnx")]) == 0
    matrices = {}
    for detector in ("yunet", "dlib"):
        call = ["align", str(photographs / "group <b>ü.png"), "--out", detector, "--detector", detector]
        assert main(call) == 0
        (photograph,) = manifest(detector)["photographs"]
        matrices[detector] = [np.array(face["points"]) for face in photograph["faces"]]
        assert len(matrices[detector]) == 6
    pairs = zip(matrices["yunet"], matrices["dlib"], strict=True)
    away = [np.abs(one - other).max() / np.hypot(*(one[1] - one[0])) for one, other in pairs]
    assert np.median(away) < 0.3 and max(away) < 0.6  # one of the six is seen from the side
