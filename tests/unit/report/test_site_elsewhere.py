"""A site in a folder of its own: complete without the results, nothing copied twice, nothing of others overwritten."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report import site
from tests.report_fixtures import manifest, scored, write_result
from tests.site_pages import HOSTILE, Page, check_references, hostile_results
from tests.stored import newest_results


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file."""
    paths = (Path(folder) / name for folder, _, names in os.walk(root) for name in names)
    return {p.relative_to(root).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns) for p in paths}


def test_it_is_complete_without_the_results(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "some/site"
    hostile_results(results)
    before = files(results)
    assert site.build(results, out) == out / "index.html"
    assert files(results) == before, "nothing is written into the results"
    shutil.rmtree(results)
    assert check_references(out) > 50
    assert [result.label for result in newest_results(out)], "its manifests are there to be read"


def test_pictures_take_no_second_place_on_one_disk(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "site"
    hostile_results(results)
    site.build(results, out)
    originals = {p.name: p.stat().st_ino for p in results.rglob("sr/*.png")}
    assert {p.name: p.stat().st_ino for p in out.rglob("sr/*.png")}.keys() == originals.keys()
    linked = [p for p in out.rglob("*.png") if p.stat().st_nlink > 1]
    assert len(linked) == len([p for p in results.rglob("*.png") if "site" not in p.parts])
    kept = files(out / "toy-x8")
    site.build(results, out)
    assert files(out / "toy-x8") == kept


def test_pictures_of_results_that_are_gone_go_too(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "site"
    hostile_results(results)
    site.build(results, out)
    (out / "notes.txt").write_text("mine")
    shutil.rmtree(results / "toy-x8/bicubic")
    site.build(results, out)
    assert not list((out / "toy-x8").glob("bicubic/*/*/*.png")) and list((out / "toy-x8").glob("*/*/sr/*.png"))
    assert (out / "notes.txt").read_text() == "mine"
    check_references(out)


def test_a_page_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "site"
    hostile_results(results)
    out.mkdir()
    (out / "index.html").write_text("my homepage")
    with pytest.raises(ResultsError, match="not made; give another folder"):
        site.build(results, out)
    assert (out / "index.html").read_text() == "my homepage"


def test_in_place_nothing_is_duplicated(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    before = set(tmp_path.rglob("*.png"))
    site.build(tmp_path, tmp_path)
    own = [p for p in tmp_path.rglob("*.png") if p not in before]
    assert all({"means", "maps"} & {p.parent.name, p.parent.parent.name} for p in own), "only maps are new pictures"
    assert len({p.name for p in before}) >= len(HOSTILE)


def test_published_numbers_stand_apart_and_only_where_protocol_and_profile_agree(tmp_path: Path) -> None:
    values = {"a": {"psnr": 26.0, "ssim": 0.8}}
    for protocol, profile in (("helen-dic-x8", "sparnet"), ("helen-dic-x8", "basicsr-rgb"), ("toy-x8", "sparnet")):
        write_result(tmp_path, manifest(protocol=protocol, profile=profile, total=1), scored(values))
    source = site.build(tmp_path).read_text()
    boards = source.split('<section class="board"')[1:]
    shown = ["Published, not measured here" in board for board in boards]
    assert sum(shown) == 1
    board = boards[shown.index(True)]
    assert 'id="helen-dic-x8--sparnet"' in board and "27.43" in board and "chaofengc/Face-SPARNet" in board
    leaderboard = board[board.index("<table") : board.index("</table>")]
    assert "27.43" not in leaderboard


def test_an_attention_map_is_shown_for_each_unit(tmp_path: Path) -> None:
    from PIL import Image

    from facesr_bench.images.maps import colours

    values = {"a": {"psnr": 26.0, "ssim": 0.8}}
    result = write_result(tmp_path, manifest("looker", total=1), scored(values), pictures=True)
    for name in ("%mean", "a"):
        for unit in range(1, 11):
            path = result.folder / "attention" / name / f"{unit}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), 10 * unit).save(path)
    site.build(tmp_path)
    page = Page(tmp_path / "site/methods/looker.html")
    units = [Path(page.file_of(image["src"])) for image in page.all("img") if image["alt"].startswith("Attention of")]
    expected = [f"{name}-{n}" for name in ("looker", "a") for n in range(1, 11)]
    assert [path.stem for path in units] == expected, "2 before 10"
    # A constant map is its unit's largest value everywhere: the last colour.
    assert {Image.open(path).convert("RGB").getpixel((0, 0)) for path in units} == {tuple(colours()[255].tolist())}
    assert "10, body, 4 × 4: ≤ 0.39" in page.text  # noqa: RUF001
    page_of_other = Page(site.build(tmp_path))
    assert "Attention" not in page_of_other.text
