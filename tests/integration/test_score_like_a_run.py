"""`score` of a run's own pictures gives the run's own numbers, and says what it placed the faces by."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

import facesr_bench
from facesr_bench.api import folder_scores
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.cli import main
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import FolderRequest, RunRequest
from facesr_bench.results.store import Result

METRICS = ("psnr", "ssim", "identity-dlib", "nme-dlib", "nme-hr-dlib")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dlib") is None or importlib.util.find_spec("face_recognition_models") is None,
    reason="needs the extra `dlib`",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("run")
    found = runner.run(RunRequest(methods=("bicubic",), protocols=("demo-x8",), metrics=METRICS, out=out))
    assert found.problems == []
    return found.results[0]


def test_a_protocol_gives_the_numbers_of_the_run_to_the_last_bit(result: Result) -> None:
    found = folder_scores(FolderRequest(result.folder / "sr", metrics=METRICS, protocol="demo-x8"))
    assert found.problems == {} and found.profile == "sparnet"
    rows = result.rows()
    assert {row.id: row.metrics for row in found.rows} == {i: row.metrics for i, row in rows.items()}
    assert {row.id: row.alignments for row in found.rows} == {i: row.alignments for i, row in rows.items()}


def test_a_runs_landmarks_give_its_numbers_to_the_last_bit(result: Result) -> None:
    inputs = result.inputs_folder
    request = FolderRequest(result.folder / "sr", inputs / "hr", metrics=METRICS, landmarks=inputs)
    found = folder_scores(request)
    rows = result.rows()
    assert {row.id: row.metrics for row in found.rows} == {i: row.metrics for i, row in rows.items()}


def test_two_folders_alone_say_that_a_detector_placed_the_faces(
    result: Result, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hr, sr = str(result.inputs_folder / "hr"), str(result.folder / "sr")
    assert main(["score", "--sr", sr, "--hr", hr, "--metrics", "identity-dlib"]) == 0
    out = capsys.readouterr().out
    assert "by dlib" in out and "on HR" in out
    assert main(["score", "--sr", sr, "--protocol", "demo-x8", "--metrics", "identity-dlib"]) == 0
    out = capsys.readouterr().out
    assert "landmarks" in out and "on HR" not in out and "against demo-x8" in out


def test_landmarks_may_be_points_files(result: Result, tmp_path: Path) -> None:
    from facesr_bench.results.samples import read_samples

    for name, sample in read_samples(result.inputs_folder).items():
        assert sample.landmarks is not None
        lines = "\n".join(f"{x + 1!r} {y + 1!r}" for x, y in sample.landmarks)
        (tmp_path / f"{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    request = FolderRequest(
        result.folder / "sr", result.inputs_folder / "hr", metrics=("identity-dlib", "nme-dlib"), landmarks=tmp_path
    )
    rows = result.rows()
    for row in folder_scores(request).rows:
        assert row.alignments["identity-dlib"] == "landmarks"
        assert row.metrics["nme-dlib"] == pytest.approx(rows[row.id].metrics["nme-dlib"], abs=1e-9)


def test_what_score_cannot_mean_is_refused_with_words(result: Result, tmp_path: Path) -> None:
    sr, hr = result.folder / "sr", result.inputs_folder / "hr"
    with pytest.raises(FaceSRBenchError, match="leave out --hr and --landmarks"):
        facesr_bench.score_folders(sr, hr, protocol="demo-x8")
    with pytest.raises(FaceSRBenchError, match="no landmarks of any picture"):
        facesr_bench.score_folders(sr, hr, metrics=["nme-dlib"], landmarks=tmp_path)
    (tmp_path / "bad.pts").write_text("nonsense")
    with pytest.raises(FaceSRBenchError, match="expected 68 finite points"):
        facesr_bench.score_folders(sr, hr, metrics=["nme-dlib"], landmarks=tmp_path)


def test_a_picture_of_no_image_is_refused_and_a_missing_one_counts_as_failed(result: Result, tmp_path: Path) -> None:
    pictures = tmp_path / "sr"
    shutil.copytree(result.folder / "sr", pictures)
    first = sorted(pictures.iterdir())[0]
    first.unlink()
    found = folder_scores(FolderRequest(pictures, metrics=("psnr",), protocol="demo-x8"))
    assert list(found.problems) == [first.stem] and "no picture of it" in found.problems[first.stem]
    shutil.copy(sorted(pictures.iterdir())[0], pictures / "stranger.png")
    with pytest.raises(FaceSRBenchError, match="of no image of demo-x8"):
        folder_scores(FolderRequest(pictures, metrics=("psnr",), protocol="demo-x8"))
