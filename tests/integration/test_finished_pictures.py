"""Finished pictures as a row, `images:DIR`: paired by id, scored as a method's own, nothing forgiven or lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import main
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.report.site import build
from facesr_bench.report.tables.sheet import Options, make_sheet
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, records, summarise


def asked(faces: Path, out: Path, *methods: str, **more: Any) -> RunRequest:
    return RunRequest(methods=methods, protocols=("folder-x8",), data={"folder-x8": faces}, out=out, **more)


def row_of(faces: Path, out: Path, method: str, **more: Any) -> ResultSummary:
    return summarise(runner.run(asked(faces, out, method, **more)).results)[0]


@pytest.fixture
def saved(faces: Path, tmp_path: Path) -> Path:
    """What the bicubic row has saved, and the row's folder beside."""
    result = runner.run(asked(faces, tmp_path / "out", "bicubic")).results[0]
    return Path(shutil.copytree(result.folder / "sr", tmp_path / "saved"))


def values(result: Result) -> dict[str, Any]:
    return {i: (row.metrics, row.versions, row.reasons, row.identity) for i, row in result.rows().items()}


@pytest.mark.parametrize("profile", ["sparnet", "dic"])
def test_a_methods_own_saved_pictures_are_its_own_row_to_the_last_bit(
    profile: str, faces: Path, tmp_path: Path
) -> None:
    metrics = ("psnr", "ssim", "identity-dlib", "nme-hr-dlib")
    own = runner.run(asked(faces, tmp_path / "out", "bicubic", profile=profile, metrics=metrics)).results[0]
    saved = shutil.copytree(own.folder / "sr", tmp_path / "saved")
    again = runner.run(asked(faces, tmp_path / "out", f"images:{saved}", profile=profile, metrics=metrics)).results[0]
    assert values(again) == values(own) and len(values(own)) == 5
    assert (again.label, again.folder.parent.name) == ("images:saved", "images%3Asaved")
    for image_id in own.rows():
        assert again.sr_path(image_id).read_bytes() == own.sr_path(image_id).read_bytes()
    page = build(tmp_path / "out").read_text(encoding="utf-8")
    assert "images:saved" in page


def test_networks_see_the_same_pictures(shared: Path, tmp_path: Path) -> None:
    """Identity, landmarks and LPIPS of the optional weights, on the faces that ship with our dependencies."""
    metrics = [
        f"identity@mobilefacenet-ms1m={shared}/weights/mobilefacenet_arcface_ms1m.onnx",
        f"nme@pfld-68={shared}/weights/pfld_68.onnx",
        f"lpips@squeeze={shared}/weights/squeezenet1_1_features.pth",
    ]
    own = runner.run(RunRequest(methods=("bicubic",), metrics=metrics, out=tmp_path / "out", limit=3)).results[0]
    saved = shutil.copytree(own.folder / "sr", tmp_path / "saved")
    asked = RunRequest(methods=(f"again=images:{saved}",), metrics=metrics, out=tmp_path / "out", limit=3)
    again = runner.run(asked).results[0]
    assert values(again) == values(own)
    assert sum(len(row.metrics) for row in own.rows().values()) >= 6, "the networks were there"


def test_missing_pictures_fail_extra_ones_are_listed(saved: Path, faces: Path, tmp_path: Path) -> None:
    (saved / "face3.png").unlink()
    (saved / "face1.png").rename(saved / "face01.png")
    outcome = runner.run(asked(faces, tmp_path / "out", f"mine=images:{saved}"))
    row = summarise(outcome.results)[0]
    assert (row.n, row.failed) == (3, 2)
    assert [image_id for image_id, _ in row.failures] == ["face1", "face3"]
    assert "no picture of it in" in row.failures[0][1] and "face1 with .png" in row.failures[0][1]
    assert any("1 picture belongs to no image: face01.png" in note for note in row.notes())
    assert main([*command(faces, tmp_path), "--methods", f"mine=images:{saved}"]) == 1


def command(faces: Path, tmp_path: Path) -> list[str]:
    return [
        *("run", "--protocols", "folder-x8", "--data", f"folder-x8={faces}"),
        *("--out", str(tmp_path / "out"), "--no-report"),
    ]


def test_size_must_be_the_output_size(saved: Path, faces: Path, tmp_path: Path) -> None:
    Image.open(saved / "face2.png").resize((128, 128)).save(saved / "face2.png")
    row = row_of(faces, tmp_path / "out", f"images:{saved}")
    assert row.failed == 1 and row.failures[0][1].endswith("face2.png is 128x128 px; expected 64x64")


def test_a_suffix_is_given_or_stands_in_the_card(
    saved: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = row_of(faces, tmp_path / "out", "bicubic").result
    for path in saved.glob("*.png"):
        path.rename(path.with_name(f"{path.stem}_00.png"))
    assert main([*command(faces, tmp_path), "--methods", f"images:{saved}"]) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "none of its 5 pictures is called after an image" in shown and "--suffix _00" in shown
    outcome = runner.run(asked(faces, tmp_path / "out", f"images:{saved}", "bicubic", suffix="_00"))
    first = outcome.results[0]
    assert values(first) == values(own) and first.label == "images:saved"
    request = first.manifest.request
    assert request is not None and request.methods == (f"images:{saved}/{{id}}_00",) and "suffix" not in request.options
    (saved / "card.toml").write_text('suffix = "_00"\n')
    second = row_of(faces, tmp_path / "out", f"images:{saved}").result
    assert second.folder == first.folder, "the same pictures, so the same result"
    with pytest.raises(FaceSRBenchError, match="no method asked for takes any"):
        runner.run(asked(faces, tmp_path / "out", "bicubic", suffix="_00"))
    with pytest.raises(FaceSRBenchError, match="suffix 'a/b'"):
        asked(faces, tmp_path / "out", "bicubic", suffix="a/b")


def test_what_stands_before_the_ids_is_named_with_the_pattern_to_write(
    saved: Path, faces: Path, tmp_path: Path
) -> None:
    own = row_of(faces, tmp_path / "out", "bicubic").result
    for path in saved.glob("*.png"):
        path.rename(path.with_name(f"sr-{path.name}"))
    told = row_of(faces, tmp_path / "out", f"images:{saved}").error
    assert told is not None
    way = told.rpartition("write ")[2]
    assert way == f"images:{saved}/sr-{{id}}.png"
    assert values(row_of(faces, tmp_path / "out", f"x={way}").result) == values(own)


def test_where_pictures_lie_in_folders_of_the_folder_these_are_named(saved: Path, faces: Path, tmp_path: Path) -> None:
    """As GFPGAN's script leaves them: cropped_faces, cmp, restored_faces."""
    whole = tmp_path / "gfpgan"
    shutil.copytree(saved, whole / "cmp")
    shutil.copytree(saved, whole / "restored_faces")
    told = row_of(faces, tmp_path / "out", f"images:{whole}").error
    assert told is not None
    assert told.endswith(f"folders of it, cmp, restored_faces: name one, as in images:{whole}/restored_faces")


def test_a_pattern_may_have_folders(saved: Path, faces: Path, tmp_path: Path) -> None:
    own = row_of(faces, tmp_path / "out", "bicubic").result
    for path in saved.glob("*.png"):
        (saved / path.stem).mkdir()
        path.rename(saved / path.stem / "final.png")
        shutil.copy(saved / path.stem / "final.png", saved / path.stem / "step.png")
    assert values(row_of(faces, tmp_path / "out", f"images:{saved}/{{id}}/final.png").result) == values(own)
    row = row_of(faces, tmp_path / "out", f"x=images:{saved}/{{id}}/{{id}}.png")
    assert row.error is not None and "has {id} in it once" in row.error


def test_the_fingerprint_is_of_the_contents(saved: Path, faces: Path, tmp_path: Path) -> None:
    first = row_of(faces, tmp_path / "out", f"images:{saved}").result
    elsewhere = shutil.copytree(saved, tmp_path / "elsewhere" / "saved")
    (elsewhere / "card.toml").write_text('title = "Moved"\nlicence = "CC0"\n')
    moved = row_of(faces, tmp_path / "out", f"images:{elsewhere}").result
    assert moved.folder == first.folder and moved.manifest.method.title == "Moved"
    picture = np.asarray(Image.open(saved / "face0.png")).copy()
    picture[0, 0, 0] ^= 1
    Image.fromarray(picture).save(saved / "face0.png")
    assert row_of(faces, tmp_path / "out", f"images:{saved}").fingerprint != first.manifest.fingerprint


def test_jpeg_is_taken_with_a_note_and_two_pictures_of_one_image_are_not(
    saved: Path, faces: Path, tmp_path: Path
) -> None:
    Image.open(saved / "face0.png").save(saved / "face0.jpg", quality=90)
    row = row_of(faces, tmp_path / "out", f"images:{saved}")
    assert row.failed == 1 and "2 pictures of it" in row.failures[0][1]
    (saved / "face0.png").unlink()
    Image.open(saved / "face1.png").save(saved / "x.webp", lossless=True)
    (saved / "face1.png").unlink()
    (saved / "x.webp").rename(saved / "face1.webp")
    Image.open(saved / "face2.png").save(saved / "face2.webp")
    (saved / "face2.png").unlink()
    row = row_of(faces, tmp_path / "out", f"images:{saved}")
    assert row.failed == 0
    notes = " ".join(row.notes())
    assert "1 picture is JPEG: what was lost" in notes and "1 picture is lossy WebP" in notes


def test_the_card_is_optional_and_its_milliseconds_are_marked(saved: Path, faces: Path, tmp_path: Path) -> None:
    (saved / "card.toml").write_text(
        'title = "GFPGAN"\nlicence = "Apache-2.0"\nweights = "v1.4"\ntraining_data = "FFHQ"\nparameters = 86400000\n'
        'milliseconds = 41.25\nmeasured_on = "V100"\n[paper]\ntitle = "P"\nurl = "https://example.org"\nyear = 2021\n'
    )
    outcome = runner.run(asked(faces, tmp_path / "out", f"gfpgan=images:{saved}", "bicubic"))
    rows = {row.label: row for row in summarise(outcome.results)}
    method = rows["gfpgan"].result.manifest.method
    assert (method.title, method.licence, method.weights, method.training_data) == (
        *("GFPGAN", "Apache-2.0", "v1.4", "FFHQ"),
    )
    assert method.paper is not None and method.paper.year == 2021
    sheet = make_sheet(groups(rows.values())[0], Options(), None)
    cells = {line.label: line.costs for line in sheet.lines}
    assert cells["gfpgan"] == ("86.40", "41.2 (reported, V100)")
    assert "reported" not in cells["bicubic"][1]
    notes = {record["method"]: record["ms_note"] for record in records(list(rows.values()))}
    assert notes == {"images": "reported, V100", "bicubic": None}
    assert "41.2 (reported, V100)" in build(tmp_path / "out").read_text(encoding="utf-8")
    (saved / "card.toml").write_text('titel = "GFPGAN"\n')
    row = row_of(faces, tmp_path / "out", f"gfpgan=images:{saved}")
    assert row.error is not None and "did you mean 'title'" in row.error and str(saved / "card.toml") in row.error


def test_no_picture_is_read_through_a_link_out_of_the_folder(saved: Path, faces: Path, tmp_path: Path) -> None:
    (saved / "face0.png").rename(tmp_path / "private.png")
    (saved / "face0.png").symlink_to(tmp_path / "private.png")
    row = row_of(faces, tmp_path / "out", f"images:{saved}")
    assert row.error is not None and "a link out of the folder" in row.error
    (saved / "face0.png").unlink()
    (saved / "face0.png").symlink_to("face1.png")
    assert row_of(faces, tmp_path / "out", f"images:{saved}").failed == 0


@pytest.mark.parametrize(
    ("argument", "said"),
    [("nowhere", "no such folder"), ("empty", "no pictures in it"), ("file.png", "a file, not a folder")],
)
def test_what_is_no_folder_of_pictures_is_a_row_that_says_so(
    argument: str, said: str, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_bytes(b"x")
    outcome = runner.run(asked(faces, tmp_path / "out", f"images:{tmp_path / argument}", "bicubic"))
    rows = summarise(outcome.results)
    assert rows[0].error is not None and said in rows[0].error
    assert rows[1].n == 5 and len(outcome.problems) == 1
