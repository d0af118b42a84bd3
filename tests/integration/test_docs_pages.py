"""The pages for newcomers are true: their commands run in this order, in an empty folder, on the seven faces that ship.

What stands in for what a reader has: `demo-x8` for protocols with data. Nothing is downloaded.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from facesr_bench.cli import main

ROOT = Path(__file__).parents[2]
INSTEAD = {
    "helen-x8": "demo-x8",
    "sparnet,edsr,srcnn,bicubic": "srcnn,bicubic",
}


def commands(page: str) -> list[list[str]]:
    """The words of each call of the program in a page, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).splitlines()
    calls = [line.strip().removeprefix(".venv/bin/") for line in lines]
    return [shlex.split(call, comments=True)[1:] for call in calls if call.startswith("facesr-bench ")]


def ours(words: list[str]) -> list[str]:
    """A command with what is here instead of what a reader has."""
    found: list[str] = []
    skip = False
    for word in words:
        if skip or word == "--data":
            skip = not skip
            continue
        found.append(INSTEAD.get(word, word))
    return [*found, "--limit", "3"] if found[0] == "run" else found


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_first_table(capsys: pytest.CaptureFixture[str]) -> None:
    found = commands("index.md")
    assert [words[0] for words in found] == ["run", "list", "run", "table", "figure"]
    for words in found:
        assert main(ours(words)) == 0, (words, capsys.readouterr().err)
    assert Path("results/index.html").is_file()
    assert Path("comparison.pdf").is_file()


@pytest.mark.parametrize("page", ["index.md", "paper.md", "gfpgan.md"])
def test_nothing_of_these_pages_is_left_out(page: str) -> None:
    """Every line of shell in them is the program's, or one of the few that are known here."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    known = (
        "python3 -m venv .venv",
        ".venv/bin/pip install",
        "ls results/",
        "facesr-bench ",
        ".venv/bin/facesr-bench ",
    )
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            assert line.startswith(known), line
