"""A method's page shows how its numbers came about: checkpoints and earlier results, of the same images."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from facesr_bench.report import site
from facesr_bench.report.site.history import past
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.statistics import mean_intervals
from facesr_bench.results.store import Result, read_every_result, read_results
from facesr_bench.results.summary import summarise
from tests.report_fixtures import manifest, scored, write_result

IDS = ("a", "b", "c")


def state(root: Path, weights: str, psnr: float, order: int, **changes: Any) -> Result:
    """One result of `net`; each has a fingerprint of its own."""
    card = manifest("net", weights=weights, total=len(IDS), **changes)
    card |= {"fingerprint": f"{order:064x}", "order": order, "tags": [f"t{order}"]}
    rows = scored({image_id: {"psnr": psnr + place, "ssim": 0.5} for place, image_id in enumerate(IDS)})
    return write_result(root, card, rows)


def found(root: Path, label: str) -> Any:
    stored = read_results(root)
    (group,) = groups(summarise(stored.results))
    row = next(row for row in group.rows if row.label == label)
    return past(group, row, read_every_result(root, {result.folder for result in stored.results}).results)


def test_checkpoints_and_superseded_results_stand_in_the_order_run(tmp_path: Path) -> None:
    for order, (weights, psnr) in enumerate((("one", 20.0), ("two", 24.0), ("one", 22.0)), 1):
        state(tmp_path, weights, psnr, order)
    write_result(tmp_path, manifest("other", total=3), scored({i: {"psnr": 30.0, "ssim": 0.9} for i in IDS}))
    history = found(tmp_path, "net@one")
    assert [(s.label, s.shown, s.current, s.tags) for s in history.states] == [
        ("net@one", False, False, "t1"),
        ("net@two", True, False, "t2"),
        ("net@one", True, True, "t3"),
    ]
    psnr = history.curves[0]
    assert psnr.info.name == "psnr" and [s.values[0] for s in history.states] == ["21.00", "25.00", "23.00"]
    ys = [point.y for point in psnr.points]
    assert ys[1] < ys[2] < ys[0], "better is higher, and y goes down"
    assert [point.x for point in psnr.points] == sorted(point.x for point in psnr.points)
    low, high = mean_intervals([[20.0], [21.0], [22.0]])[0]
    assert f"interval {low:.2f} to {high:.2f}" in psnr.points[0].words
    assert history.left_out == 0
    rows = list(csv.DictReader(io.StringIO(history.table())))
    assert [(row["number"], row["method"], row["superseded"], float(row["psnr"])) for row in rows] == [
        ("1", "net@one", "yes", 21.0),
        ("2", "net@two", "", 25.0),
        ("3", "net@one", "", 23.0),
    ]
    site.build(tmp_path)
    files = sorted(path.name for path in (tmp_path / "site/methods").glob("*-history-*.csv"))
    assert files == ["net@one-history-toy-x8--sparnet.csv", "net@two-history-toy-x8--sparnet.csv"]
    assert (tmp_path / "site/methods" / files[0]).read_text() == history.table()
    assert f'href="{quote(files[0])}" download' in (tmp_path / "site/methods/net@one.html").read_text()


def test_what_ran_on_other_images_is_counted_and_not_drawn(tmp_path: Path) -> None:
    state(tmp_path, "one", 20.0, 1)
    state(tmp_path, "two", 24.0, 2)
    state(tmp_path, "three", 26.0, 3, data_hash="e" * 64)
    history = found(tmp_path, "net@one")
    assert [s.label for s in history.states] == ["net@one", "net@two"] and history.left_out == 1


def test_a_method_with_one_result_has_no_history(tmp_path: Path) -> None:
    state(tmp_path, "one", 20.0, 1)
    assert found(tmp_path, "net@one") is None
    site.build(tmp_path)
    assert "History" not in (tmp_path / "site/methods/net@one.html").read_text()


def test_the_page_draws_it_and_names_every_state(tmp_path: Path) -> None:
    state(tmp_path, "one", 20.0, 1)
    state(tmp_path, "two", 24.0, 2)
    site.build(tmp_path)
    page = (tmp_path / "site/methods/net@one.html").read_text()
    assert "<polyline points=" in page and "1, net@one: PSNR 21.00 dB" in page and 'href="net%40two.html"' in page
    index = (tmp_path / "site/search-index.js").read_text()
    data = json.loads(index[index.index("facesr.index = ") + len("facesr.index = ") : index.rindex(";")])
    assert [method["label"] for method in data["methods"]] == ["net@two", "net@one"]
    assert data["boards"][0]["ids"] == list(IDS)


@pytest.mark.parametrize("count", [2, 14])
def test_no_more_than_the_newest_are_shown(tmp_path: Path, count: int) -> None:
    for order in range(1, count + 1):
        state(tmp_path, f"w{order:02}", 20.0 + order, order)
    history = found(tmp_path, f"net@w{count:02}")
    assert len(history.states) == min(count, 12) and history.older == max(0, count - 12)
    assert history.states[-1].current
