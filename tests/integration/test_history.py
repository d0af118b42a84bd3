"""`run --tag` and `history`: every result is kept, listed and found again; the newest goes by no clock."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.cli import main
from facesr_bench.evaluation import recorded
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.history import find, read_history
from facesr_bench.results.store import Result
from tests.stored import newest_results

from .conftest import MakeMethod

NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


def run(faces: Path, out: Path, *methods: str, **more: Any) -> Result:
    """The first result of a run on folder-x8."""
    request = RunRequest(methods, ("folder-x8",), {"folder-x8": faces}, out=out, metrics=("psnr",), **more)
    return runner.run(request).results[0]


def edit(method: str, brighter: float) -> None:
    path = Path(method) / "method.py"
    body = f"(_old(self, lr) + {brighter}).clamp(0, 1)"
    path.write_text(f"{path.read_text()}\n_old = Method.upscale\nMethod.upscale = lambda self, lr: {body}\n")


def test_which_result_is_newest_does_not_go_by_the_clock(
    faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, out = make_method("mine", NEAREST), tmp_path / "out"
    before = run(faces, out, method)
    edit(method, 0.1)
    monkeypatch.setattr(recorded, "_now", lambda: "1999-01-01T00:00:00.000000+00:00")
    after = run(faces, out, method)
    assert after.manifest.updated < before.manifest.updated
    assert [result.folder for result in newest_results(out)] == [after.folder]


def test_tables_show_what_the_last_run_showed_where_an_edit_was_taken_back(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    method, out = make_method("mine", NEAREST), tmp_path / "out"
    code = (Path(method) / "method.py").read_text()
    first = run(faces, out, method)
    edit(method, 0.1)
    run(faces, out, method)
    (Path(method) / "method.py").write_text(code)
    third = run(faces, out, method)
    assert third.folder == first.folder
    assert [result.folder for result in newest_results(out)] == [first.folder]


def test_asking_again_for_the_newest_result_changes_no_file(faces: Path, tmp_path: Path) -> None:
    result = run(faces, tmp_path / "out", "bicubic")
    before = {path: path.read_bytes() for path in result.folder.rglob("*") if path.is_file()}
    run(faces, tmp_path / "out", "bicubic")
    assert {path: path.read_bytes() for path in result.folder.rglob("*") if path.is_file()} == before


def test_history_lists_every_result_and_find_finds_each(
    faces: Path, tmp_path: Path, make_method: MakeMethod, capsys: pytest.CaptureFixture[str]
) -> None:
    method, out = make_method("mine", NEAREST), tmp_path / "out"
    before = run(faces, out, method, "bicubic", tag="before")
    edit(method, 0.1)
    after = run(faces, out, method, tag="after")
    assert before.folder != after.folder
    again = run(faces, out, method, tag="v2")
    assert again.manifest.tags == ("after", "v2"), "a result may bear several"
    assert main(["history", "--results", str(out), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["label"], row["tags"], row["shown"]) for row in listed] == [
        ("mine", ["after", "v2"], True),
        ("bicubic", ["before"], True),
        ("mine", ["before"], False),
    ]
    assert [row["n"] for row in listed] == [5, 5, 5]
    assert listed[0]["metrics"] != listed[2]["metrics"] and listed[0]["fingerprint"] == after.folder.name
    assert main(["history", "--results", str(out), "--methods", "mine"]) == 0
    shown = capsys.readouterr().out
    assert shown.index(after.folder.name[:8]) < shown.index(before.folder.name[:8]) and "before" in shown
    assert f"{listed[2]['metrics']['psnr']:.2f}" in shown and "bicubic" not in shown
    assert {result.label for result in find(out, "before")} == {"mine", "bicubic"}
    for name, result in (("after", after), ("mine", after), (before.folder.name[:6], before)):
        assert [found.folder for found in find(out, name)] == [result.folder]
    assert [result.folder for result in read_history(out).only(tag="before", methods=["mine"]).results] == [
        before.folder
    ]


def test_a_result_that_nobody_knows_is_refused_with_what_there_is(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(faces, out, "bicubic", "nearest", tag="first")
    with pytest.raises(ResultsError, match=r"called 'frist'; did you mean 'first'"):
        find(out, "frist")
    with pytest.raises(ResultsError, match="on helen-x8"):
        find(out, "first", protocol="helen-x8")


@pytest.mark.parametrize("tag", ["", "-x", "../x", "a b", "x" * 65, "a\nb"])
def test_a_tag_that_could_be_taken_for_something_else_is_refused(tag: str) -> None:
    with pytest.raises(FaceSRBenchError, match=re.escape(f"tag {tag!r}: it must be")):
        RunRequest(("bicubic",), tag=tag)


def test_a_result_that_cannot_be_read_costs_history_nothing_else(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    result = run(faces, out, "bicubic", "nearest")
    (result.folder / "manifest.json").write_text("{")
    assert main(["history", "--results", str(out)]) == 1
    said = capsys.readouterr()
    assert "nearest" in said.out and "manifest.json: damaged" in said.err
