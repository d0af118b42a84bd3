"""What lies in a results folder, for tests to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.results.columns import COSTS, STABLE_COLUMNS
from facesr_bench.results.store import Result, read_results
from facesr_bench.results.summary import ResultSummary, columns, metrics_of, records

if TYPE_CHECKING:
    import pandas


def newest_results(root: Path) -> list[Result]:
    """The results that `read_results` finds, where all must be readable.

    Raises:
        ResultsError: `root` doesn't exist, or one of its results can't be read.
    """
    stored = read_results(root)
    if stored.unreadable:
        raise ResultsError("\n".join(stored.unreadable))
    return stored.results


def to_frame(rows: Sequence[ResultSummary]) -> pandas.DataFrame:
    """The rows as `facesr-bench table --format csv` writes them; NaN where there is no value."""
    import pandas

    numbers = {*STABLE_COLUMNS, *metrics_of(rows), *(cost.name for cost in COSTS)}
    frame = pandas.DataFrame(records(rows), columns=columns(rows))
    return frame.astype({name: "float64" for name in columns(rows) if name in numbers})
