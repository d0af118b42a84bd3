"""docs/api.md is the list of what is promised: every name is in it, and every example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import facesr_bench

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BLOCKS = re.compile(r"^```(python|toml)\n(.*?)^```$", re.M | re.S)


def test_every_public_name_is_documented_and_every_documented_one_is_public() -> None:
    text = DOCS.read_text(encoding="utf-8")
    code = "".join(code for _, code in BLOCKS.findall(text))
    prose = set(re.findall(r"`([A-Za-z_0-9]+)(?:\([^`]*\))?`", BLOCKS.sub("", text)))
    used = set(re.findall(r"facesr_bench\.(\w+)", code))
    for line in re.findall(r"^from facesr_bench import (.*)$", code, re.M):
        used |= set(line.split(", "))
    assert used <= set(facesr_bench.__all__), "an example uses what is not promised"
    assert set(facesr_bench.__all__) <= used | prose
    assert sorted(facesr_bench.__all__) == facesr_bench.__all__ == dir(facesr_bench)
    for name in facesr_bench.__all__:
        assert getattr(facesr_bench, name) is not None
        if name != "__version__" and isinstance(getattr(facesr_bench, name), type):
            assert getattr(facesr_bench, name).__doc__


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    scope: dict[str, Any] = {}
    for _, code in BLOCKS.findall(DOCS.read_text(encoding="utf-8")):
        first = code.partition("\n")[0]
        if found := re.fullmatch(r"# (\w+/\w+\.(?:py|toml))", first):
            path = tmp_path / found[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(code, encoding="utf-8")
        else:
            exec(compile(code, f"{DOCS.name}: {first}", "exec"), scope)
