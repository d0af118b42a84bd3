"""Pictures on pages: which are shown, what stands beside them, and what is said of those that are missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report import site
from facesr_bench.report.site.pages import template_folder
from facesr_bench.report.site.section import FIT_SIDE, PAIR_SIDE
from facesr_bench.results.image_record import ImageRecord
from tests.report_fixtures import manifest, scored, write_result
from tests.site_pages import Page, hostile_results, pages


def test_image_rows_show_input_methods_maps_and_truth(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    site.build(tmp_path)
    page = pages(tmp_path)[1]
    pictures = page.all("img")
    assert len(pictures) == 4 * (1 + 3 * 2 + 1)
    for picture in pictures:
        assert picture["alt"] and picture["loading"] == "lazy"
        assert (picture["width"], picture["height"]) == ("32", "32"), "LR is shown as large as HR"
    alts = [picture["alt"] for picture in pictures]
    assert "plain 1, low resolution" in alts and "plain 1, ground truth" in alts
    assert "plain 1, by bicubic" in alts and "PSNR map of bicubic on plain 1" in alts
    lr = next(picture for picture in pictures if picture["alt"] == "plain 1, low resolution")
    assert lr["class"] == "px lr" and page.file_of(lr["src"]).parent.name == "lr"
    error = next(picture for picture in pictures if picture["alt"] == "PSNR map of bicubic on plain 1")
    assert page.file_of(error["src"]).parent.parent.name == "maps"
    assert "23.00" in page.text and "style=" not in page.path.read_text(), "a strict policy forbids style attributes"
    assert ".bar { background: linear-gradient(" in (tmp_path / "site/assets/site.css").read_text()


def test_without_truth_there_is_no_map_and_no_truth(tmp_path: Path) -> None:
    card = manifest("bicubic", source="lr", metrics={})
    write_result(tmp_path, card, [ImageRecord("a", ms=1.0)], pictures=True)
    site.build(tmp_path)
    index, page = pages(tmp_path)
    assert [picture["alt"] for picture in page.all("img")] == ["a, low resolution", "a, by bicubic"]
    assert "Ground truth" not in page.text and "PSNR map" not in page.text
    assert "there is no ground truth" in index.text


def test_results_of_other_data_are_not_put_beside_each_other(tmp_path: Path) -> None:
    values = {"a": {"psnr": 20.0, "ssim": 0.5}}
    for name in ("one", "two"):
        write_result(tmp_path, manifest(name), scored(values), pictures=True)
    write_result(tmp_path, manifest("foreign", data_hash="e" * 64), scored(values), pictures=True)
    site.build(tmp_path)
    images = pages(tmp_path)[1]
    assert not [picture for picture in images.all("img") if "foreign" in picture["src"]]
    assert "Not shown: foreign" in images.text


def test_missing_pictures_are_said(tmp_path: Path) -> None:
    write_result(tmp_path, manifest(), scored({"a": {"psnr": 20.0, "ssim": 0.5}}))
    site.build(tmp_path)
    images = pages(tmp_path)[1]
    assert images.all("img") == [] and images.text.count("not saved") == 4


def test_many_images_are_split_into_pages(tmp_path: Path) -> None:
    values = {f"face {i}": {"psnr": 20.0, "ssim": 0.5} for i in range(1, 121)}
    result = write_result(tmp_path, manifest(total=120), scored(values))
    site.build(tmp_path)
    found = {int(page.path.stem): page for page in pages(tmp_path)[1:]}
    assert sorted(found) == [1, 2, 3]
    sources = [found[number].path.read_text() for number in (1, 2, 3)]
    headings = [text for source in sources for text in re.findall(r"face \d+(?=</span></a></h2>)", source)]
    assert headings == [f"face {i}" for i in range(1, 121)], "every image once, 2 before 10"
    assert 'rel="next"' in found[1].path.read_text() and 'rel="next"' not in found[3].path.read_text()

    (result.folder / "images.jsonl").unlink()
    for row in scored({"face 1": {"psnr": 20.0, "ssim": 0.5}}):
        result.append(row)
    result.close()
    site.build(tmp_path)
    assert [page.path.name for page in pages(tmp_path)[1:]] == ["1.html"], "stale pages are removed"
    assert not list(tmp_path.rglob("*.partial"))


def test_mean_landmarks_of_a_torn_file_are_an_error_that_names_it(tmp_path: Path) -> None:
    result = write_result(tmp_path, manifest(total=1), scored({"a": {"psnr": 1.0, "ssim": 1.0}}), pictures=True)
    path = result.inputs_folder / "landmarks.json"
    path.write_text('{"a": [[1, 2')
    with pytest.raises(ResultsError, match=r"landmarks\.json: can't be read"):
        site.build(tmp_path)
    path.write_text('{"a": [[8, 16], [24, 16]]}')
    site.build(tmp_path)
    page = Page(tmp_path / "site/methods/bicubic.html")
    assert [(c["cx"], c["cy"]) for c in page.all("circle")][:2] == [("25.0", "50.0"), ("75.0", "50.0")]


def test_scripts_fit_pictures_as_the_pages_do() -> None:
    scripts = template_folder()
    assert f"const FIT_SIDE = {FIT_SIDE};" in (scripts / "site.js").read_text(encoding="utf-8")
    assert f"const PAIR_SIDE = {PAIR_SIDE};" in (scripts / "viewer.js").read_text(encoding="utf-8")
