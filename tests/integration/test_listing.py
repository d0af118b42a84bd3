"""Listing commands as JSON: what scripts read instead of tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.cli import main
from facesr_bench.cli.listing import WHAT
from facesr_bench.plugins import registry


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main([*arguments, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("what", WHAT)
def test_every_list_is_one_of_objects_with_names(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = [each["name"] for each in listed(capsys, "list", what)]
    assert names and len(set(names)) == len(names)
    if what in {"methods", "datasets", "metrics", "degradations"}:
        assert names == [plugin.name for plugin in getattr(registry, what)().plugins]


def test_a_protocol_without_data_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["name"]: each for each in listed(capsys, "list", "protocols")}
    assert found["demo-x8"]["ready"] is True and found["demo-x8"]["problem"] is None
    assert found["celeba-x8"]["ready"] is False and found["celeba-x8"]["problem"]


def test_weights_say_what_is_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    found = {each["name"]: each for each in listed(capsys, "weights", "list")}
    assert found["arcface"]["verdict"] == "missing" and found["arcface"]["usable"] is False
    assert Path(found["arcface"]["path"]).is_relative_to(tmp_path)


def test_a_few_names_are_listed_and_a_dataset_stands_for_its_protocols(capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["name"] for each in listed(capsys, "list", "metrics", "lpips", "psnr")] == ["lpips", "psnr"]
    helen = listed(capsys, "list", "protocols", "helen", "demo-x8")
    assert {each["dataset"] for each in helen} == {"helen", "demo"} and len(helen) > 2
    assert main(["list", "protocols", "helen-x9"]) == 2
    assert "no protocol or dataset is called 'helen-x9'; did you mean 'helen-x8'?" in capsys.readouterr().err
    assert main(["list", "protocols", "helen-x8", "demo-x8"]) == 0
    out = capsys.readouterr().out
    assert out.index("demo-x8") < out.index("helen-x8"), "what is ready comes first"
    assert "--data helen=DIR" in out and "celeba" not in out
