"""Every command line of the documentation is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from facesr_bench import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """The lines of shell in a page that call the program."""
    blocks = re.findall(r"```(?:bash|sh|shell|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    calls = [part for line in lines for part in re.split(r"&&|\|\||[;|>]", line)]
    return [match[1] for call in calls if (match := re.match(r"(?:.*[\s/])?facesr-bench\s+(\S.*)", " " + call.strip()))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_can_be_parsed(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command, comments=True)
        if "--help" in words or "..." in words:
            continue
        try:
            cli._parse(words)
        except SystemExit as error:
            pytest.fail(f"{page.name}: facesr-bench {command}: exit {error.code}")


def test_commands_are_found() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 20
