"""A column made of a metric's values (`below-0.25`) stays, and is every row's: the values are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.tables.render import render
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.record import Manifest, MetricRecord
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.report_fixtures import manifest, scored, write_result

NAME, SHARE = "identity-adaface", "identity-adaface:below-0.25"
IDENTITY: dict[str, Any] = {"title": "Identity (AdaFace)", "higher_is_better": True, "version": 1}
VALUES = {"a": {NAME: 0.1}, "b": {NAME: 0.2}, "c": {NAME: 0.9}}


def write(root: Path, method: str, aggregates: list[str], rows: list[ImageRecord] | None = None) -> Result:
    card = manifest(method, metrics={NAME: {**IDENTITY, "aggregates": aggregates}}, total=3)
    return write_result(root, card, scored(VALUES) if rows is None else rows)


def test_a_later_run_loses_no_column() -> None:
    asked, unasked = (
        Manifest.model_validate(manifest(metrics={NAME: {**IDENTITY, "aggregates": aggregates}}))
        for aggregates in (["below-0.25"], [])
    )
    assert unasked.continuing(asked).metrics[NAME].aggregates == ("below-0.25",)
    more = unasked.with_metrics({NAME: MetricRecord.model_validate({**IDENTITY, "aggregates": ["below-0.5"]})})
    assert more.continuing(asked).metrics[NAME].aggregates == ("below-0.25", "below-0.5")


def test_a_row_whose_run_did_not_ask_for_the_column_has_it_too(tmp_path: Path) -> None:
    results = [write(tmp_path, "asked", ["below-0.25"]), write(tmp_path, "unasked", [])]
    (group,) = groups(summarise(results))
    assert [row.means[SHARE] for row in group.rows] == [pytest.approx(200 / 3)] * 2
    assert all(row.counts[SHARE] == 3 and SHARE not in row.reasons for row in group.rows)


def test_a_table_shows_the_columns_that_were_asked_for_and_not_all_that_a_metric_has(tmp_path: Path) -> None:
    for asked in (True, False):
        info = {**IDENTITY, "aggregates": ["below-0.25"], "aggregates_on_request": asked}
        card = manifest("a", metrics={NAME: info}, total=3)
        rows = summarise([write_result(tmp_path / str(asked), card, scored(VALUES))])
        assert ("below 0.25" in render(rows, "markdown")) == asked


def test_a_row_with_a_gap_says_why_it_has_no_share(tmp_path: Path) -> None:
    rows = [*scored({"a": VALUES["a"], "b": VALUES["b"]}), ImageRecord(id="c", reasons={NAME: "weights are missing"})]
    results = [write(tmp_path, "asked", ["below-0.25"]), write(tmp_path, "gap", [], rows)]
    (group,) = groups(summarise(results))
    (gap,) = (row for row in group.rows if row.label == "gap")
    assert SHARE not in gap.means and gap.reasons[SHARE] == {f"needs a value of {NAME} for every image": ["c"]}
    other = write(tmp_path / "other", "never", [], scored({name: {"psnr": 30.0} for name in VALUES}))
    (group,) = groups(summarise([results[0], other]))
    assert all(SHARE not in row.means for row in group.rows if row.label == "never")
