"""The table of `run --profile-time`: where the time of a run went."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from facesr_bench.base.text import one_line
from facesr_bench.report.tables.terminal import Column, print_columns


def print_profile(wall: float, stages: Mapping[str, tuple[float, int]], console: Console) -> None:
    """Seconds by stage, the longest first, with the seconds of the whole run and what no stage accounts for.

    Args:
        wall: seconds of the whole run.
        stages: seconds and calls by name; of threads and processes that work side by side, the sum.
    """
    rows = sorted(stages.items(), key=lambda stage: -stage[1][0])
    names = [Text(one_line(name)) for name, _ in rows]
    seconds = [Text(f"{spent:.2f}") for _, (spent, _) in rows]
    shares = [Text(f"{spent / wall:.1%}") for _, (spent, _) in rows]
    calls = [Text(str(count)) for _, (_, count) in rows]
    each = [Text(f"{1000 * spent / count:.2f}") for _, (spent, count) in rows]
    others = [Column("s", seconds), Column("share", shares), Column("calls", calls), Column("ms/call", each)]
    rest = wall - sum(spent for spent, _ in stages.values())
    said = f"{rest:.2f} s in no stage" if rest >= 0 else "stages overlap: several threads or processes"
    print_columns(f"{wall:.2f} s; {said}", Column("Stage", names), others, [False] * len(rows), console)
