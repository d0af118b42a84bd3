"""CONTRIBUTING.md names files that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_that_is_named_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if not path.startswith("..")]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists() and not (ROOT / "facesr_bench" / path).exists()] == []


def test_a_new_thing_needs_at_most_two_files() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (an? .+?) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) > 8
    for what, files in rows:
        assert len(re.findall(r"`[^`]*\.(?:py|toml)`", files)) <= 2, what


def test_the_test_files_that_ci_names_exist() -> None:
    named = re.findall(r"tests/[\w/]+(?:\.py)?", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert named and [path for path in named if not (ROOT / path).exists()] == []
