"""The examples in the docstrings of what is promised give what they say."""

from __future__ import annotations

import doctest
import inspect
import sys
from pathlib import Path

import pytest

import facesr_bench


def examples() -> dict[str, doctest.DocTest]:
    """The examples of each public function and class, by its name."""
    finder = doctest.DocTestFinder(recurse=True)
    found: dict[str, doctest.DocTest] = {}
    for name in facesr_bench.__all__:
        public = getattr(facesr_bench, name)
        if inspect.isfunction(public) or inspect.isclass(public):
            known = vars(sys.modules[public.__module__])
            found |= {test.name: test for test in finder.find(public, name, globs=dict(known)) if test.examples}
    return found


@pytest.mark.parametrize("name", ["frechet_distance", "load_method", "read_study", "resize", "score"])
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    result = runner.run(examples()[name], out=report.append)
    assert result.attempted > 0 and result.failed == 0, "".join(report)


def test_no_example_is_left_out() -> None:
    assert sorted(examples()) == ["frechet_distance", "load_method", "read_study", "resize", "score"]
