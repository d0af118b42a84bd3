"""`facesr-bench run study.toml`: the same run as the one typed, with what is typed before what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facesr_bench import cli


def run(*words: str) -> int:
    return cli.main(["run", "--no-report", *words])


def manifests(out: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(path.read_text()) for path in out.rglob("manifest.json")]
    return {manifest["method"]["name"]: manifest for manifest in found}


def test_a_study_is_the_run_that_was_typed(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = ["--methods", "bicubic,nearest", "--protocols", "folder-x8", "--metrics", "psnr", "--limit", "2"]
    place = ["--data", f"folder-x8={faces.name}"]
    (tmp_path / "studies").mkdir()
    assert run(*typed, *place, "--out", "results", "--write-study", "studies/one.toml") == 0
    assert not (tmp_path / "results").exists()
    assert "nothing was run" in capsys.readouterr().err

    assert run("studies/one.toml") == 0
    written = manifests(tmp_path / "results")
    assert run(*typed, *place, "--out", "typed") == 0
    by_hand = manifests(tmp_path / "typed")
    assert written.keys() == by_hand.keys() == {"bicubic", "nearest"}
    for name, manifest in written.items():
        assert manifest["fingerprint"] == by_hand[name]["fingerprint"]
        assert manifest["request"] == by_hand[name]["request"]

    capsys.readouterr()
    assert run("studies/one.toml") == 0
    assert "nothing to compute" in capsys.readouterr().err


def test_what_is_typed_comes_before_what_is_written(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(
        'methods = ["bicubic", "nearest"]\nprotocols = ["folder-x8"]\nmetrics = ["psnr"]\nout = "a"\nlimit = 1\n'
        '[data]\nhelen = "/nowhere"\nfolder-x8 = "/nowhere"\n'
    )
    assert run("study.toml", "--methods", "bicubic", "--out", "b", "--data", f"folder-x8={faces}", "--limit", "2") == 0
    assert not (tmp_path / "a").exists()
    (found,) = manifests(tmp_path / "b").values()
    assert found["request"] == {
        "methods": ["bicubic"], "protocols": ["folder-x8"], "options": {"metrics": ["psnr"], "limit": 2},
        "data": ["folder-x8"],
    }  # fmt: skip


def test_a_result_of_a_study_says_how_it_was_started(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(
        f'methods = ["bicubic"]\nprotocols = ["folder-x8"]\nmetrics = ["psnr"]\n[data]\nfolder-x8 = "{faces}"\n'
    )
    monkeypatch.setattr("sys.argv", ["facesr-bench", "run", "study.toml"])
    assert run("study.toml") == 0
    (found,) = manifests(tmp_path / "results").values()
    assert found["command"] == "facesr-bench run study.toml"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which methods? give --methods"),
        (("sparnet",), "sparnet: no such file; a study is a TOML file"),
        (("empty.toml",), "empty.toml: it names no methods"),
    ],
)
def test_a_run_without_methods_is_told_what_to_type(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.toml").touch()
    assert run(*words) == 2
    assert message in capsys.readouterr().err
