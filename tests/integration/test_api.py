"""What a notebook calls, with the mistakes that notebooks make."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import facesr_bench
from facesr_bench.base.errors import DataError, FaceSRBenchError, FaceSRBenchWarning, MethodError, MetricError
from facesr_bench.images.files import read_image
from facesr_bench.report import site
from facesr_bench.report.site.provenance import command
from tests.stored import newest_results

from .conftest import MakeMethod


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": "bicubic"}, r"methods must be a list of names, such as \['bicubic'\]"),
        ({"protocols": "folder-x8"}, "protocols must be a list"),
        ({"metrics": "psnr"}, "metrics must be a list"),
        ({"resume": "newer"}, "only-missing, never, always"),
        ({"device": "gpu"}, "auto, cpu, cuda"),
    ],
)
def test_run_refuses_what_it_would_misread(faces: Path, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"methods": ["bicubic"], "protocols": ["folder-x8"], "data": {"folder": faces}, **given}
    with pytest.raises(FaceSRBenchError, match=message):
        facesr_bench.run(**call, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_run_returns_what_was_asked_for(faces: Path, tmp_path: Path) -> None:
    """Not all that lies in the results folder."""
    call: dict[str, Any] = {"protocols": ["folder-x8"], "data": {"folder": faces}, "out": tmp_path / "out"}
    facesr_bench.run(["bicubic", "nearest"], metrics=["psnr", "ssim"], **call)
    scores = facesr_bench.run(["nearest"], metrics=["ssim"], **call)
    assert list(scores.frame.columns[:6]) == ["protocol", "method", "weights", "profile", "n", "ssim"]
    assert "psnr" not in scores.frame and list(scores.frame["method"]) == ["nearest"]
    assert list(scores.frame["notes"]) == [""] and scores.problems == ()
    images = scores.images
    assert list(images.columns) == [
        *("protocol", "method", "weights", "image", "identity"),
        *("ssim", "ms", "error", "notes"),
    ]
    assert list(images["image"]) == [f"face{i}" for i in range(5)]
    assert images["ssim"].mean() == pytest.approx(scores.frame.loc[0, "ssim"], rel=1e-12)


def test_the_page_prints_the_command_of_a_run_from_python(
    faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was typed to start Python, and without the places of this machine."""
    monkeypatch.setattr("sys.argv", ["notebook.py"])
    mine = make_method("mine", "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')")
    out = tmp_path / "out"
    facesr_bench.run(["bicubic", mine], ["folder-x8"], data={"folder": faces}, limit=2, out=out, metrics=["psnr"])
    commands = {result.label: command(result.manifest) for result in newest_results(out)}
    asked = "--protocols folder-x8 --profile sparnet --metrics psnr --limit 2 --data folder=DIR"
    assert commands["bicubic"] == f"facesr-bench run --methods bicubic {asked}"
    assert commands["mine"] == f"facesr-bench run --methods {mine} {asked}"
    facesr_bench.run(["bicubic"], limit=2, out=out, metrics=["psnr"])
    page = site.build(out).parent / "site" / "provenance.html"
    text = "facesr-bench run --methods bicubic --protocols demo-x8 --profile sparnet --metrics psnr --limit 2"
    assert text in page.read_text()


def test_the_person_in_a_picture_is_recorded(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    folder = tmp_path / "lfw" / "Abdullah_Gul"
    folder.mkdir(parents=True)
    Image.fromarray(np.resize(astronaut, (250, 250, 3))).save(folder / "Abdullah_Gul_0001.jpg")
    for names in (["psnr"], ["psnr", "ssim"]):  # computed, then scored from what lies on disk
        facesr_bench.run(["bicubic"], ["lfw-x8"], data={"lfw": folder.parent}, out=tmp_path / "out", metrics=names)
        (result,) = newest_results(tmp_path / "out")
        assert {image_id: record.identity for image_id, record in result.rows().items()} == {
            "Abdullah_Gul_0001": "Abdullah_Gul"
        }
        assert '"identity": "Abdullah_Gul"' in (result.folder / "images.jsonl").read_text().splitlines()[-1]


def test_what_failed_is_seen(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    """A method or protocol that can't run has a row with the reason, an image too, and a warning says so."""
    (faces / "face4.png").write_text("no picture")
    broken = make_method("broken", "raise RuntimeError('not today')")
    with pytest.warns(FaceSRBenchWarning, match=r"not today") as caught:
        scores = facesr_bench.run(
            ["nearest", broken],
            ["folder-x8", "helen-x8"],
            data={"folder": faces},
            metrics=["psnr", "lpips"],
            out=tmp_path / "out",
        )
    assert caught[0].filename == __file__, "it points to the notebook's own line"
    rows: Any = scores.frame.to_dict("records")
    notes = {(row["protocol"], row["method"]): row["notes"] for row in rows}
    assert set(notes) == {
        *(("folder-x8", "nearest"), ("folder-x8", "broken")),
        *(("helen-x8", "nearest"), ("helen-x8", broken)),
    }
    assert "failed on 1 of 5 images; first face4" in notes["folder-x8", "nearest"]
    assert "weights fetch lpips-alex" in notes["folder-x8", "nearest"]
    assert "failed on 5 of 5 images" in notes["folder-x8", "broken"]
    assert "--data helen-x8=DIR" in notes["helen-x8", "nearest"]
    images: Any = scores.images.set_index(["method", "image"]).to_dict("index")
    assert "not a picture" in images["nearest", "face4"]["error"] and math.isnan(images["nearest", "face4"]["psnr"])
    assert "weights fetch lpips-alex" in images["nearest", "face2"]["notes"] and images["nearest", "face2"]["psnr"] > 10
    assert "not today" in images["broken", "face2"]["error"] and images["broken", "face2"]["notes"] == ""
    assert any("not today" in problem for problem in scores.problems)
    assert "<b>failed</b>" in scores._repr_html_() and "failed: " in repr(scores)


def test_folders_of_pictures(faces: Path, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    sr = tmp_path / "sr"
    sr.mkdir()
    for path in faces.iterdir():
        Image.open(path).resize((16, 16)).resize((64, 64)).save(sr / path.name)
    scores = facesr_bench.score_folders(sr, faces, metrics=["ssim", "psnr"], profile="dic")
    expected = {
        path.stem: facesr_bench.score(read_image(sr / path.name), read_image(path), profile="dic")
        for path in faces.iterdir()
    }
    found = scores.images.set_index("image")
    assert found[["psnr", "ssim"]].to_dict("index") == expected
    row = scores.frame.loc[0]
    assert (row["n"], row["failed"], row["profile"], row["sr"]) == (5, 0, "dic", str(sr))
    assert row["psnr"] == pytest.approx(found["psnr"].mean(), rel=1e-12) and row["notes"] == ""
    Image.fromarray(astronaut[:8, :8]).save(sr / "face0.png")
    with pytest.warns(FaceSRBenchWarning, match="face0: SR is 8x8"):
        scores = facesr_bench.score_folders(sr, faces, metrics=["psnr", "lpips"])
    assert (scores.frame.loc[0, "n"], scores.frame.loc[0, "failed"]) == (4, 1)
    assert "weights fetch lpips-alex" in str(scores.frame.loc[0, "notes"])
    assert "SR is 8x8" in str(scores.images.set_index("image").loc["face0", "error"])
    with pytest.raises(MetricError, match="at least one metric"):
        facesr_bench.score_folders(sr, faces, metrics=[])
    with pytest.raises(DataError, match="none in"):
        (sr / "face0.png").unlink()
        facesr_bench.score_folders(sr, faces)


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
def test_enhance_refuses_what_is_not_rgb8(name: str, astronaut: NDArray[np.uint8]) -> None:
    """A float image in [0, 1] would come out black."""
    method = facesr_bench.load_method(name, device="auto")
    lr = np.ascontiguousarray(astronaut[:16, :16])
    assert method.enhance(lr).shape == (128, 128, 3)
    wrongs: list[Any] = [lr / 255, lr[:, :, 0], np.dstack([lr, lr])[:, :, :4]]
    for wrong in wrongs:
        with pytest.raises(MethodError, match="HxWx3 uint8 RGB image, not 16x16"):
            method.enhance(wrong)
    with pytest.raises(FaceSRBenchError, match="auto, cpu, cuda"):
        facesr_bench.load_method(name, device="gpu")


def test_all_stands_for_every_method_that_is_ready(tmp_path: Path) -> None:
    scores = facesr_bench.run(["all", "bicubic"], ["demo-x8"], limit=1, metrics=["psnr"], out=tmp_path / "out")
    methods = set(scores.frame["method"])
    assert {"nearest", "bicubic", "edsr", "sparnet", "sparnet-light-3d"} <= methods
    assert not methods & {"sparnethd", "sparnethd-3d"}, "their weights are not here"
    assert list(scores.frame["method"]).count("bicubic") == 1 and scores.problems == ()
    assert "input" not in methods and scores.left_out == ("demo-x8: `all` leaves out input (it does x1)",)
    assert scores.left_out[0] in repr(scores) and "leaves out input" in scores._repr_html_()
