"""What a manifest says of the command that made it."""

from __future__ import annotations

import sys

import pytest

from facesr_bench.base.environment import command_line


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/usr/bin/facesr-bench", "facesr-bench"),
        ("/lib/facesr_bench/__main__.py", "python -m facesr_bench"),
        ("", "python"),
    ],
)
def test_the_command_can_be_pasted(monkeypatch: pytest.MonkeyPatch, program: str, expected: str) -> None:
    monkeypatch.setattr(sys, "argv", [program, "run", "--methods", "my net"])
    assert command_line() == f"{expected} run --methods 'my net'"
