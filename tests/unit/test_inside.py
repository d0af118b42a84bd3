"""Paths inside a folder that strangers may have made: no name and no link leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import check_links, inside, own
from facesr_bench.results.store import open_result, read_results
from tests.report_fixtures import manifest, scored, write_result

NAMES = ["/etc/passwd", "..", "a/../../b", "a/..", "", "a//b", "./a", "a/", "a\0b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    for function in (inside, own):
        with pytest.raises(ResultsError, match="does not name something inside"):
            function(tmp_path, name)


def test_a_link_may_be_read_through_where_it_stays_inside_and_never_written_through(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    (root / "b").symlink_to("a")
    (root / "out").symlink_to("../victim")
    (root / "loop").symlink_to("loop")
    assert inside(root, "b/c") == root / "b/c"
    with pytest.raises(ResultsError, match="a link out of the folder"):
        inside(root, "out/c")
    for name in ("b/c", "out/c", "out", "loop"):
        with pytest.raises(ResultsError, match="a link; nothing is written"):
            own(root, name)
    assert own(root, "a/new/c") == root / "a/new/c"


def test_links_are_found_behind_links_and_a_fifo_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("result", "other"):
        (root / name).mkdir(parents=True)
    (root / "result/sr").symlink_to("../other")
    check_links(root, root / "result")
    (root / "other/1.png").symlink_to("/etc/passwd")
    with pytest.raises(ResultsError, match=r"1\.png: a link out of"):
        check_links(root, root / "result")
    (root / "other/1.png").unlink()
    os.mkfifo(root / "other/2.png")
    with pytest.raises(ResultsError, match="not a regular file"):
        check_links(root, root / "result")


@pytest.mark.parametrize("name", ["sets.json", "images.jsonl", "manifest.json", "sr/a.png", "maps", "attention"])
def test_a_result_with_a_link_to_outside_costs_none_of_the_others(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("{}")
    root = tmp_path / "results"
    rows = scored({"a": {"psnr": 20.0, "ssim": 0.5}})
    bad = write_result(root, manifest("bad", total=1), rows, pictures=True).folder
    write_result(root, manifest("good", total=1), rows, pictures=True)
    path = bad / name
    if path.is_dir():
        path.rename(tmp_path / "moved")
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "secret")
    stored = read_results(root)
    assert [result.label for result in stored.results] == ["good"]
    assert len(stored.unreadable) == 1 and f"{name}: a link out of the folder" in stored.unreadable[0]


@pytest.mark.parametrize("name", ["../../../victim", "..", "/etc", ".", "a/b"])
def test_a_manifest_can_not_place_its_inputs_elsewhere(tmp_path: Path, name: str) -> None:
    card = manifest("bad")
    result = write_result(tmp_path, card, [])
    card["data"]["inputs"] = name
    write_result(tmp_path, card, [])
    with pytest.raises(ResultsError, match=r"inside this folder|inputs can't be called"):
        open_result(result.folder)
