"""`restore`: a photograph with two faces, restored, and what becomes of what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.cli import main
from facesr_bench.data.sources import open_dataset
from facesr_bench.images.files import Image8, read_image, write_png

pytest.importorskip("dlib")

CALL = ["--out", "out", "--detector", "dlib"]


@pytest.fixture(scope="module")
def couple(astronaut: Image8) -> Image8:
    """Two faces of two packages on a gray wall, one of them tilted."""
    dataset, protocol = open_dataset("demo-x8", {})
    item = next(item for item in dataset.items(protocol) if item.id == "t1-4")
    group = dataset.read(item, protocol).hr
    assert group is not None
    left, top, side = (int(value) for value in item.meta["box"][:3])
    other = Image.fromarray(group[max(0, top - 40) : top + side + 60, max(0, left - 50) : left + side + 50])
    wall = Image.new("RGB", (520, 320), (120, 130, 140))
    wall.paste(Image.fromarray(astronaut), (20, 60))
    wall.paste(other, (250, 20))
    return np.asarray(wall)


@pytest.fixture
def photo(couple: Image8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    write_png(Path("photos/couple <i>ü.png"), couple)
    return Path("photos/couple <i>ü.png")


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out/manifest.json").read_text(encoding="utf-8"))
    return found


def squares(record: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The pixels inside the squares of the faces, a pixel more on each side."""
    import cv2

    mask = np.zeros(shape[:2], np.uint8)
    for face in record["faces"]:
        cv2.fillPoly(mask, [np.rint(face["square"]).astype(np.int32)], 1)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0)


def test_two_faces_are_restored_and_pasted_back(
    photo: Path, couple: Image8, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SPARNet, at its own size: 16 px in, 128 px out; nothing changes beside the faces."""
    assert main(["restore", "sparnet", str(photo), *CALL, "--paste-back"]) == 0
    said = capsys.readouterr().err
    assert "2 faces in 1 of 1 photograph, found by dlib-hog; they are in out\n" in said
    assert "sparnet is given 16x16 px of each face and makes 128x128" in said
    (record,) = manifest()["photographs"]
    assert record["faces_pasted"] == "2 of 2"
    after = read_image(Path("out", record["pasted"]))
    changed = (after != couple).any(axis=2)
    inside = squares(record, couple.shape)
    assert not changed[~inside].any() and changed[inside].mean() > 0.5
    for face in record["faces"]:
        assert read_image(Path("out", face["aligned"])).shape == (16, 16, 3)
        assert read_image(Path("out", face["restored"])).shape == (128, 128, 3)
        assert Path("out/faces/side-by-side", Path(face["restored"]).name).is_file()
    pair = read_image(next(Path("out/photographs/side-by-side").iterdir()))
    np.testing.assert_array_equal(pair[:, :520], couple)
    np.testing.assert_array_equal(pair[:, -520:], after)
    assert manifest()["restoration"]["weights"]["sha256"]


def test_a_method_that_changes_nothing_changes_little(photo: Path, couple: Image8) -> None:
    assert main(["restore", "input", str(photo), *CALL, "--paste-back", "--size", "256"]) == 0
    (record,) = manifest()["photographs"]
    away = np.abs(read_image(Path("out", record["pasted"])).astype(int) - couple)
    inside = squares(record, couple.shape)
    assert not away[~inside].any() and away[inside].mean() < 1.5


def test_the_background_is_enlarged_by_interpolation_or_a_second_method(photo: Path, couple: Image8) -> None:
    call = ["restore", "input", str(photo), *CALL, "--paste-back", "--enlarge", "2", "--size", "128"]
    made = {}
    for background in ([], ["--background", "nearest"]):
        assert main([*call, *background]) == 0
        (record,) = manifest()["photographs"]
        made[len(background)] = read_image(Path("out", record["pasted"]))
    enlarged = np.asarray(Image.fromarray(couple).resize((1040, 640), Image.Resampling.BICUBIC))
    outside = ~np.kron(squares(record, couple.shape), np.ones((2, 2), bool))
    np.testing.assert_array_equal(made[0][outside], enlarged[outside])
    np.testing.assert_array_equal(made[2][outside], couple.repeat(2, 0).repeat(2, 1)[outside])
    assert manifest()["pasted"]["background"]["name"] == "nearest"


def test_pictures_that_others_made_are_pasted_back(photo: Path, couple: Image8) -> None:
    """`images:DIR`: of one face there is none, which costs that face alone."""
    Path("theirs").mkdir()
    Image.new("RGB", (64, 64), (0, 0, 255)).save("theirs/couple <i>ü-2.png")
    call = ["restore", "images:theirs", str(photo), *CALL, "--size", "64", "--paste-back"]
    assert main(call) == 1
    made = manifest()
    assert made["failed"].keys() == {"couple <i>ü-1"} and "no picture of it" in made["failed"]["couple <i>ü-1"]
    (record,) = made["photographs"]
    assert record["faces_pasted"] == "1 of 2"
    x, y = np.rint(record["faces"][1]["points"][2]).astype(int)
    after = read_image(Path("out", record["pasted"]))
    assert after[y, x].tolist() == [0, 0, 255]
    np.testing.assert_array_equal(after[:, :200], couple[:, :200])


BROKEN = """
import facesr_bench

class Method(facesr_bench.MethodBase):
    def upscale(self, lr):
        if float(lr[0, 0, 0, 0]) == float(lr[0, 0, 0, 1]):
            raise SystemExit("gone")
        return lr * float("nan")
"""


def test_one_failure_costs_its_photograph_or_face_alone(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (120, 90), "gray").save("photos/wall.png")
    Path("photos/torn.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert main(["restore", "bicubic", "photos", *CALL, "--scale", "8", "--size", "128"]) == 1
    said = capsys.readouterr().err
    assert "failed wall: dlib-hog found no face in the 120x90 picture" in said and "failed torn: " in said
    assert "2 faces in 1 of 3 photographs" in said and manifest()["failed"].keys() == {"wall", "torn"}
    assert read_image(next(Path("out/faces/aligned").iterdir())).shape == (16, 16, 3)
    Path("photos/torn.jpg").unlink()
    Path("photos/wall.png").unlink()
    Path("broken").mkdir()
    card = 'schema_version = 1\nkind = "method"\nname = "broken"\ntitle = "x"\nsummary = "x"\n'
    Path("broken/card.toml").write_text(card + 'input = "lr"\nlicence = "x"\n')
    Path("broken/method.py").write_text(BROKEN)
    assert main(["restore", "./broken", "photos", *CALL, "--size", "64", "--paste-back"]) == 1
    made = manifest()
    assert len(made["failed"]) == 2 and all("broken" in why or "gone" in why for why in made["failed"].values())
    assert not Path("out/photographs/restored").exists() or not list(Path("out/photographs/restored").iterdir())


def test_no_face_at_all_is_said(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (120, 90), "gray").save(photo)
    assert main(["restore", "bicubic", str(photo), *CALL, "--paste-back"]) == 1
    said = capsys.readouterr().err
    assert "found no face in the 120x90 picture, upright or turned" in said and "0 faces in 0 of 1 photograph, " in said


def test_misuse_is_said_before_any_work(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in {
        ("bicubic", "--background", "nearest"): "give --paste-back too",
        ("nothing", "--paste-back"): "nothing",
        ("sparnet", "--scale", "4"): "sparnet does x8, not x4",
        ("bicubic", "--scale", "8", "--size", "100"): "bicubic at x8 can't make 100x100 px",
        ("bicubic", "--paste-back", "--background", "sparnet", "--enlarge", "8"): "sparnet is for faces alone",
        ("bicubic", "--paste-back", "--background", "edsr", "--enlarge", "2"): "edsr does x8, not x2",
        ("bicubic", "--device", "tpu"): "it must be auto, cpu, cuda",
    }.items():
        assert main(["restore", words[0], str(photo), *CALL, *words[1:]]) == 2
        assert message in capsys.readouterr().err
        assert not Path("out").exists()


def test_sparnethd_needs_the_authors_weights_and_says_how_to_get_them(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(photo.parent.parent / "empty"))
    assert main(["restore", "sparnethd", str(photo), *CALL]) == 2
    assert "facesr-bench weights fetch sparnethd" in capsys.readouterr().err


def test_no_command_fills_what_another_has_filled(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor the folder that it takes the pictures from."""
    write_png(Path("sharp/face.png"), np.full((512, 512, 3), 90, np.uint8))
    calls = {
        "align": ["align", "photos", "--detector", "dlib"],
        "restore": ["restore", "nearest", "photos", "--detector", "dlib"],
        "degrade": ["degrade", "sharp", "--degradation", "vqfr"],
    }
    for command, call in calls.items():
        assert main([*call, "--out", command]) == 0
        record = json.loads(Path(command, "manifest.json").read_text(encoding="utf-8"))
        assert record["command"] == f"facesr-bench {command}" and record["complete"] is True
    for folder in calls:
        before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        assert len(before) > 1
        for command, call in calls.items():
            capsys.readouterr()
            if command == folder:
                assert main([*call, "--out", folder]) == 0
            else:
                assert main([*call, "--out", folder]) == 2
                assert f"{folder}: is filled by `facesr-bench {folder}`" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()} == before
    (face, *_) = Path("restore/faces/restored").iterdir()
    for source, out in (("align/faces", "align"), ("restore/faces/restored", "restore"), (str(face), "restore")):
        capsys.readouterr()
        words = ["align"] if out == "align" else ["restore", "nearest"]
        assert main([*words, source, "--out", out, "--detector", "dlib"]) == 2
        assert "the pictures to work on are there" in capsys.readouterr().err
        assert list(Path(source).glob("*.png")) or Path(source).is_file()
