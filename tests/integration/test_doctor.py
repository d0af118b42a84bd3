"""`doctor`: right data passes, data that is wrong on purpose is told, and published rows are reproduced or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_bench.cli import main
from facesr_bench.data import degradation
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation.inputs import open_source
from facesr_bench.images.files import read_image, write_png
from facesr_bench.plugins import registry
from facesr_bench.plugins.degradation import find_degradation, make_degradation
from facesr_bench.report import published
from facesr_bench.report.published import AnchorFile
from facesr_bench.results.store import read_results
from facesr_bench.results.summary import summarise

CARD = """
schema_version = 1
kind = "dataset"
name = "archive"
title = "An archive"
summary = "Pairs."
implementation = "folder"
licence = "None."
obtain = "Make it."
layout = "HR/ and LR/."

[protocols.archive-test]
summary = "Pairs of 160 px."
crop = { rule = "none" }
scale = 1
lr_size = 160
source = "pairs"
aligned = "ffhq"
profile = "basicsr-rgb"
metrics = ["psnr", "ssim"]
expected_count = 6
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six faces with LR pictures, as an archive has them."""
    root = tmp_path_factory.mktemp("archive")
    source = open_source(find_protocol("demo-blind")[1], {}, registry.datasets())
    degrade = make_degradation(find_degradation("vqfr"), 1)
    for image_id in source.items:
        hr = source.read(image_id).hr
        assert hr is not None
        write_png(root / "HR" / f"{image_id}.png", hr)
        write_png(
            root / "LR" / f"{image_id}.png", degradation.apply(degrade, hr, degradation.seed_of("a", image_id))[0]
        )
    return root


@pytest.fixture
def data(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, with its dataset's folder beside it; published rows are none."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(archive, tmp_path / "data")
    Path("archive").mkdir()
    Path("archive/card.toml").write_text(CARD)
    monkeypatch.setattr(published, "read_anchors", lambda: AnchorFile(schema_version=1, sources={}))
    return tmp_path / "data"


def doctor(data: Path) -> int:
    return main(["doctor", "./archive:archive-test", "--data", f"archive={data}"])


def test_right_data_passes_and_its_row_is_kept(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(data) == 0
    out = capsys.readouterr().out
    assert "wrong" not in out and out.count("ok ") == 7
    assert "No paper's input row of archive-test is known here." in out
    (row,) = summarise(read_results(Path("results")).results)
    assert (row.label, row.n) == ("input", 6) and 20 < row.means["psnr"] < 35


def spoiled(data: Path, how: str) -> None:
    hr, lr = data / "HR", data / "LR"
    if how == "count":
        for folder in (hr, lr):
            (folder / "t1-4.png").unlink()
    elif how == "size":
        write_png(lr / "t1-2.png", read_image(lr / "t1-2.png")[:128, :128])
    elif how == "pairs":
        (lr / "t1-2.png").rename(lr / "x.png")
        (lr / "t1-3.png").rename(lr / "t1-2.png")
        (lr / "x.png").rename(lr / "t1-3.png")
    elif how == "sides":
        hr.rename(data / "x")
        lr.rename(hr)
        (data / "x").rename(lr)
    elif how == "same":
        shutil.copyfile(hr / "t1-5.png", lr / "t1-5.png")
    elif how == "twice":
        shutil.copyfile(lr / "t1-5.png", lr / "t1-6.png")
    elif how == "alone":
        (lr / "t1-5.png").unlink()
    else:
        (lr / "t1-5.png").write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("how", "message", "status"),
    [
        ("count", "6 pictures: there are 5: papers that report the whole set are not comparable", 1),
        ("size", "1 of 6 can't be used; the first, t1-2: LR is 128x128", 1),
        ("pairs", "2 of 6 LR pictures look like another's HR: t1-2 like t1-3", 1),
        ("sides", "the two folders are exchanged", 1),
        ("same", "LR pictures are degraded: pixel for pixel their HR: 1 picture (t1-5)", 1),
        ("twice", "no LR picture is there twice: there are several files of 1 picture, such as t1-5, t1-6", 1),
        ("torn", "1 of 6 can't be used; the first, ", 1),
        ("alone", "t1-5.png", 2),
    ],
)
def test_a_set_that_is_wrong_on_purpose_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], how: str, message: str, status: int
) -> None:
    spoiled(data, how)
    assert doctor(data) == status
    said = capsys.readouterr()
    assert message in said.out + said.err


def test_faces_that_do_not_lie_as_in_ffhq_are_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dlib")
    for path in [*(data / "HR").iterdir(), *(data / "LR").iterdir()]:
        face = Image.fromarray(read_image(path))
        small = Image.new("RGB", face.size, (90, 90, 90))
        small.paste(face.resize((110, 110), Image.Resampling.BICUBIC), (0, 50))
        small.save(path)
    assert doctor(data) == 1
    said = capsys.readouterr().out
    assert "faces lie as in FFHQ" in said and "most are elsewhere, by" in said and "`facesr-bench align`" in said


def test_nothing_is_said_of_where_faces_lie_if_there_are_none(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dlib")
    noise = np.random.RandomState(0)
    for path in sorted((data / "HR").iterdir()):
        wall = noise.randint(0, 255, (160, 160, 3)).astype(np.uint8)
        write_png(path, wall)
        write_png(data / "LR" / path.name, read_image(path) // 2)
    assert doctor(data) == 1
    said = capsys.readouterr().out
    assert "wrong  faces lie as in FFHQ" in said and "there is no face in any of them" in said
    for folder in ("HR", "LR"):
        for path in (data / folder).iterdir():
            write_png(path, read_image(path)[:64, :64])
    assert doctor(data) == 1
    said = capsys.readouterr().out
    assert "ok     faces lie" not in said and "where faces lie was not looked at: no picture" in said


def test_what_is_typed_wrongly_is_told_before_any_picture_is_looked_at(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["doctor", "./archive:archive-test", "--data", f"archive={data}"]
    assert main([*call, "--metrics", "psnr,nonsense"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "no metric is called 'nonsense'" in said.err


def anchors(values: dict[str, float], n: int = 6) -> AnchorFile:
    common = {"protocol": "archive-test", "profile": "basicsr-rgb", "n": n, "source": "paper", "method": "Input"}
    anchor = {**common, "weights": "none", "training_data": "none", "values": values}
    source = {"title": "A paper", "url": "https://example.org"}
    return AnchorFile.model_validate({"schema_version": 1, "sources": {"paper": source}, "anchors": [anchor]})


def test_a_published_row_is_reproduced_or_not(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(data)
    (row,) = summarise(read_results(Path("results")).results)
    right = {"psnr": round(row.means["psnr"], 2) + 0.01, "ssim": round(row.means["ssim"], 4)}
    monkeypatch.setattr(published, "read_anchors", lambda: anchors(right | {"lpips": 0.4866}))
    capsys.readouterr()
    assert doctor(data) == 0
    out = capsys.readouterr().out
    assert "A paper (6 images)" in out
    assert "Data and metrics reproduce it, as far as they could be computed: not lpips." in out
    monkeypatch.setattr(published, "read_anchors", lambda: anchors(right))
    assert doctor(data) == 0
    assert "Data and metrics reproduce it.\n" in capsys.readouterr().out
    assert "lpips: 0.4866 there; not among the metrics of this run" in out
    # Another LQ archive of the same faces: every picture is in order, and the row is not the paper's.
    degrade = make_degradation(find_degradation("codeformer-2"), 1)
    for path in (data / "HR").iterdir():
        lr, _ = degradation.apply(degrade, read_image(path), degradation.seed_of("b", path.stem))
        write_png(data / "LR" / path.name, lr)
    assert doctor(data) == 1
    out = capsys.readouterr().out
    assert "This does not reproduce it: these are not the pictures it was measured on: another LQ archive" in out
    assert "can't be used" not in out and "looks like" not in out
    monkeypatch.setattr(published, "read_anchors", lambda: anchors(right, n=3000))
    assert doctor(data) == 1
    assert "This is another set: 6 images here and 3000 there" in capsys.readouterr().out


def test_a_metric_that_is_computed_otherwise_is_no_matter_of_the_pictures(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["doctor", "./archive:archive-test", "--data", f"archive={data}", "--metrics", "psnr,identity-dlib"]
    pytest.importorskip("dlib")
    main(command)
    (row,) = summarise(read_results(Path("results")).results)
    if "identity-dlib" not in row.means:
        pytest.skip("needs dlib's models")
    values = {"psnr": round(row.means["psnr"], 2), "identity-dlib": round(row.means["identity-dlib"], 3) + 0.1}
    monkeypatch.setattr(published, "read_anchors", lambda: anchors(values))
    capsys.readouterr()
    assert main(command) == 1
    assert (
        "This does not reproduce it: the pictures are right, since psnr agree, but identity-dlib"
        in capsys.readouterr().out
    )


def test_lr_of_other_bits_are_told_by_the_hashes_that_a_protocol_commits(
    own_demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", f"./{own_demo}", "--metrics", "psnr"]) == 1
    assert "the libraries here give other bits of 6 pictures (astronaut, t1-2, t1-3 ...)" in (capsys.readouterr().out)


def test_thumbnails_tell_strongly_degraded_faces_apart(shared: Path) -> None:
    """On 40 faces of 512 px and the strongest grid there is, no LR picture is nearer to another's HR."""
    from facesr_bench.evaluation import doctor as examining

    pictures = sorted((shared / "faces" / "hq512").glob("*.jpg"))[:24]
    degrade = make_degradation(find_degradation("difface-grid"), 1)
    seen = examining._Seen()
    for path in pictures:
        hr = read_image(path)
        seen.ids.append(path.stem)
        seen.hr.append(examining._thumbnail(hr))
        seen.lr.append(examining._thumbnail(degradation.apply(degrade, hr, degradation.seed_of("d", path.stem))[0]))
    assert not examining._pairs(seen)[0].problem
    seen.lr = list(np.roll(np.stack(seen.lr), 1, axis=0))
    assert "24 of 24 LR pictures look like another's HR" in examining._pairs(seen)[0].problem
