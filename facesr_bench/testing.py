"""For test suites: a method must not have got worse than a committed baseline.

    from facesr_bench.testing import assert_no_regression

    def test_mynet_is_no_worse():
        assert_no_regression("./mynet", baseline="baselines/demo-x8/mynet.jsonl")

`facesr-bench check --methods ./mynet --baseline FILE --accept` writes the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facesr_bench.evaluation.gate.check import check
from facesr_bench.evaluation.gate.request import CheckRequest
from facesr_bench.report.gate.formats import Report, as_markdown
from facesr_bench.results.gate.judge import Answer, Unanswered

__all__ = ["assert_no_regression"]


def assert_no_regression(
    method: str, *, baseline: str | Path = "reports/baselines", **options: Any
) -> Sequence[Answer | Unanswered]:
    """Run a method, as far as it is not done, and hold it against a baseline: what `facesr-bench check` does.

    Args:
        method: a name, name@weights, or a plug-in's folder.
        baseline: a file, or a folder of baselines by protocol and method.
        options: those of `facesr-bench check`, with `_` for `-`: `protocols=["demo-x8"]`, `data={"helen": DIR}`,
            `policy="gate.toml"`, `inconclusive="ok"`, `exact=True`, `results="results"` ...

    Returns:
        The comparisons, each with its verdict.

    Raises:
        AssertionError: it regressed, can't be compared, or may have regressed for all that so few images can tell
            (unless `inconclusive="ok"`). The message is the table.
        FaceSRBenchError: there is no such method, protocol, option or policy.
    """
    outcome = check(CheckRequest(methods=[method], baseline=baseline, **options))
    if outcome.status:
        said = as_markdown(Report(outcome.answers, outcome.status))
        raise AssertionError("\n".join([said, *(f"failed: {problem}" for problem in outcome.problems)]))
    return outcome.answers
