"""Cumulative error curves: their corners, areas and failures, as a figure and as data."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.figures.curves import curve, curve_table
from facesr_bench.report.figures.style import to_bytes
from facesr_bench.results.curves import auc, cumulative_curve
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import summarise
from tests.figure_fixtures import IDS, METRICS, texts, value_table
from tests.report_fixtures import LPIPS, NME, PSNR, manifest, scored, write_result
from tests.stored import newest_results


def test_curve_is_the_cumulative_curve(group: Group) -> None:
    figure = curve(group, limit=7.0)
    line = next(line for line in figure.axes[0].lines if str(line.get_label()).startswith("good@w"))
    errors = [v["nme@pfld-68:0123abcd"] for v in value_table(26, 4).values()]
    x, y = cumulative_curve(errors, 7.0)
    assert np.array_equal(np.asarray(line.get_xdata()), x) and np.array_equal(np.asarray(line.get_ydata()), y)
    assert f"AUC {100 * auc(errors, 7.0):.2f} %" in str(line.get_label())


def test_lost_faces_count_and_missing_values_do_not(tmp_path: Path) -> None:
    key = "nme@pfld-68:0123abcd"
    lost, found = scored(value_table(25, 1)), scored(value_table(25, 1))
    for row in lost[:6]:
        del row.metrics[key]
        row.reasons[key], row.undetected = "no face found", [key]
    for rows in (lost, found):
        del rows[23].metrics[key]  # nobody has it: no annotation
        rows[23].reasons[key] = "needs landmarks"
    for name, rows in (("lost", lost), ("found", found)):
        write_result(tmp_path, manifest(name, metrics=METRICS, total=len(IDS)), rows)
    (group,) = groups(summarise(newest_results(tmp_path)))
    figure = curve(group, limit=50)
    labels = [str(line.get_label()) for line in figure.axes[0].lines]
    assert "failures 26.1 %" in next(label for label in labels if label.startswith("lost"))  # 6 of 23
    assert "failures 0.0 %" in next(label for label in labels if label.startswith("found"))
    assert "n = 23 of 24" in "".join(texts(to_bytes(figure, "svg")))


def test_a_curve_not_chosen_is_the_first_with_areas(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "unit": "%", "aggregates": ["auc-8"]}
    card = manifest(metrics={"lpips": LPIPS, "nme-own": nme})
    values = {i: {"lpips": 0.5, "nme-own": 3.0 + n} for n, i in enumerate(IDS)}
    found = groups(summarise([write_result(tmp_path, card, scored(values))]))[0]
    assert curve(found).axes[0].get_xlabel() == "NME (%) ↓"
    assert curve_table(found).splitlines()[1].startswith("toy-x8,sparnet,nme-own,")


def test_curve_as_data(group: Group) -> None:
    """The csv holds the corners that are drawn, at full precision, for every method."""
    rows = list(csv.DictReader(io.StringIO(curve_table(group, limit=7.0))))
    drawn = {
        str(line.get_label()).rpartition(": AUC")[0].replace("\\$", "$"): line
        for line in curve(group, limit=7.0).axes[0].lines
    }
    assert drawn and {row["method"] for row in rows} == set(drawn)
    for label, line in drawn.items():
        given = [(float(row["error"]), float(row["share"])) for row in rows if row["method"] == label]
        assert np.array_equal(np.array(given), np.column_stack([line.get_xdata(), line.get_ydata()]))


def test_curve_agrees_with_the_tables_area(tmp_path: Path) -> None:
    nme = {**NME, "aggregates": ["auc-8", "auc-10"]}
    rows = scored(value_table(25, 1))
    rows[0].reasons["nme"], rows[0].undetected = "no face found", ["nme"]
    for row in rows:
        value = row.metrics.pop("nme@pfld-68:0123abcd")
        if row is not rows[0]:
            row.metrics["nme"] = value
    card = manifest("m", metrics={"psnr": PSNR, "nme": nme}, total=len(IDS))
    (group,) = groups(summarise([write_result(tmp_path, card, rows)]))
    (line,) = curve(group).axes[0].lines
    assert f"AUC {group.rows[0].means['nme:auc-10']:.2f} %" in str(line.get_label()), "the greatest limit it has"
    assert 0 < group.rows[0].means["nme:auc-10"] < 100


def test_curve_needs_an_error_per_image(group: Group) -> None:
    with pytest.raises(ResultsError, match=r"lower values better.*there is lpips, nme@pfld-68"):
        curve(group, "psnr")
    with pytest.raises(ResultsError, match="limit 0"):
        curve(group, limit=0)
