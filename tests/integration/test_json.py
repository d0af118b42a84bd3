"""`--json`: one value on standard output and nothing else, with the keys that docs/json.md promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import facesr_bench
from facesr_bench.base.as_json import json_text
from facesr_bench.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("json") / "results"
    facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], metrics=["psnr", "ssim"], limit=3, out=root)
    return root


@pytest.fixture(scope="module")
def bundle(results: Path) -> Path:
    path = results.parent / "x.tar"
    assert main(["bundle", "bicubic", "--results", str(results), "--out", str(path)]) == 0
    return path


def promised(heading: str) -> set[str]:
    """The keys of the outermost objects that the page names for a command."""
    text = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2].partition("\n### ")[0].strip()
    text = text.partition("\n\n")[0].partition(":")[2]
    while (outer := re.sub(r"\([^()]*\)", "", text)) != text:  # what stands in brackets is of inner ones
        text = outer
    return set(re.findall(r"`(\w+)`", text.replace(";", "")))


def written(capsys: pytest.CaptureFixture[str], *words: str | Path, status: int = 0) -> Any:
    """What a command writes, all of it."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def keys(found: Any) -> set[str]:
    """Of one object, or of each object of a list, which are the same."""
    assert isinstance(found, dict) or found
    (names,) = {frozenset(each) for each in ([found] if isinstance(found, dict) else found)}
    return set(names)


def test_a_history(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, "history", "--results", results)
    assert keys(found) == promised("history")
    assert {row["label"]: row["n"] for row in found} == {"bicubic": 3, "nearest": 3}


def test_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    found = written(capsys, "weights", "list")
    assert keys(found) == promised("weights list")
    assert written(capsys, "weights", "verify") == []
    (missing,) = written(capsys, "weights", "verify", "arcface", status=1)
    assert keys(missing) == promised("weights verify")
    assert (missing["usable"], missing["problem"]) == (False, "not on this machine")


def test_settings_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, "train", "sparnet", "--list-settings", "--set", "batch_size=4")
    assert keys(found) == promised("train --list-settings")
    assert {each["name"]: each["value"] for each in found}["batch_size"] == 4
    assert main(["train", "sparnet", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "--json is of --list-settings" in said.err


def test_scores(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inputs,) = (results / "demo-x8/inputs").iterdir()
    (sr,) = results.glob("demo-x8/bicubic/*/sr")
    found = written(capsys, "score", "--sr", sr, "--hr", inputs / "hr")
    assert keys(found) == promised("score")
    stored = json.loads(next((results / "demo-x8/bicubic").glob("*/images.jsonl")).read_text().splitlines()[0])
    assert {**stored["metrics"], "image": stored["id"]} in found["images"]
    same = written(capsys, "score", "--sr", inputs / "hr", "--hr", inputs / "hr")
    assert same["metrics"] == {"psnr": "inf", "ssim": 1.0} and same["images"][0]["psnr"] == "inf"


@pytest.mark.parametrize("plugin", ["bicubic", "psnr", "demo"])
def test_a_plugin_that_is_right(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, "validate", plugin)
    assert keys(found) == promised("validate")
    assert found["passed"] is True and all(check["problem"] is None for check in found["checks"])


def test_a_plugin_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert main(["new", "method", "mine", "--out", str(tmp_path)]) == 0
    (folder / "method.py").write_text("print('on standard output')\nraise ValueError('oops')\n")
    found = written(capsys, "validate", folder, status=1)
    assert found["passed"] is False
    assert [check["name"] for check in found["checks"] if check["problem"]] == ["import"]
    assert "oops" in found["checks"][-1]["problem"] and "Traceback" in found["checks"][-1]["details"]


def test_a_bundle(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, "verify", bundle, "--level", "2")
    assert keys(found) == promised("verify")
    (row,) = found["results"]
    assert (row["label"], row["level"], row["reached"], row["passed"]) == ("bicubic", 2, "re-scored", True)
    assert row["rescored"] == ["psnr", "ssim"] and found["passed"] and found["refused"] is None
    other = tmp_path / "x.tar"
    other.write_bytes(bundle.read_bytes()[:5000])
    found = written(capsys, "verify", other, status=1)
    assert keys(found) == promised("verify") and found["refused"] and found["bundle"] is None


def test_a_bundle_that_is_added(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--results", str(tmp_path / "r"), "--no-report"]
    found = written(capsys, "add", bundle, "--level", "2", *more)
    assert keys(found) == promised("verify") | {"added"} and found["passed"]
    (row,) = found["added"]
    assert row["label"].startswith("bicubic (bundle ") and row["badge"] == "re-scored"
    assert (Path(row["folder"]) / "manifest.json").is_file()
    assert main(["add", str(bundle), "--level", "2", *more, "--json"]) == 2, "it is there already"
    assert capsys.readouterr().out == ""


def test_a_bundle_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "x.tar"), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "x.tar" in said.err


def test_a_protocol_that_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = written(capsys, "doctor", "demo-x8", "--metrics", "psnr", "--out", tmp_path / "r")
    assert keys(found) == promised("doctor")
    assert found["right"] is True and found["rows"][0]["method"] == "bicubic"
    assert keys(found["findings"]) == {"what", "problem"}


def test_a_table_holds_what_the_csv_holds(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, "table", "--results", results, "--intervals", "--significance")
    command = ["table", "--results", str(results), "--intervals", "--significance", "--format", "csv"]
    assert main(command) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split(",") == list(found[0])
    assert len(lines) == len(found) == 2
    assert {row["method"]: str(row["psnr"]) for row in found} == {
        line.split(",")[1]: line.split(",")[header.split(",").index("psnr")] for line in lines
    }


@pytest.mark.parametrize("words", [["compare", "bicubic", "nearest"], ["compare", "bicubic", "bicubic"]])
def test_a_comparison(results: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = written(capsys, *words, "--results", results)
    assert found["comparisons"][0]["protocol"] == "demo-x8"


def test_a_program_that_reads_it_gets_nothing_else(results: Path) -> None:
    """From a process of its own, whose streams are an old machine's."""
    program = shutil.which("facesr-bench", path=str(Path(sys.executable).parent)) or "facesr-bench"
    env = {"PYTHONIOENCODING": "ascii", "PATH": str(Path(sys.executable).parent)}
    for words in (["table"], ["history"]):
        command = [program, *words, "--results", str(results), "--json"]
        done = subprocess.run(command, capture_output=True, check=True, env=env)
        assert {row["method"] for row in json.loads(done.stdout)} == {"bicubic", "nearest"}


def test_what_json_lacks() -> None:
    text = json_text({"a": [float("inf"), float("-inf"), float("nan"), 0.1, True, None, (1, "ü")]})
    assert json.loads(text) == {"a": ["inf", "-inf", None, 0.1, True, None, [1, "ü"]]}
    assert json_text("ü", ascii_only=True) == '"\\u00fc"\n'
    with pytest.raises(TypeError):
        json_text(Path())
