"""What tests of figures share."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import summarise
from tests.figure_fixtures import HOSTILE, IDS, METRICS, value_table
from tests.report_fixtures import manifest, scored, write_result
from tests.stored import newest_results


@pytest.fixture
def group(tmp_path: Path) -> Group:
    """Two ranked methods and a hostile third, 24 images with pictures; and one that has too few images."""
    for name, base, weights in (("good", 26.0, "w"), ("poor", 22.0, None), (HOSTILE, 24.0, None)):
        card = manifest(name, weights=weights, metrics=METRICS, total=len(IDS))
        write_result(tmp_path, card, scored(value_table(base, len(name))), pictures=True)
    few = dict(list(value_table(30, 9).items())[:2])
    write_result(tmp_path, manifest("few", metrics=METRICS, total=len(IDS)), scored(few))
    (found,) = groups(summarise(newest_results(tmp_path)))
    return found
