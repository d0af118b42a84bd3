"""The pages: complete, self-contained, safe with any name."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.report import site
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest
from facesr_bench.results.store import Result
from tests.report_fixtures import manifest, scored, write_result
from tests.site_pages import HOSTILE, Page, all_pages, check_references, hostile_results, pages


def test_every_reference_is_relative_and_exists(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    assert site.build(tmp_path) == tmp_path / "index.html"
    kinds = {page.path.name for page in all_pages(tmp_path)}
    assert kinds >= {"index.html", "1.html", "image.html", "mean.html", "plots.html", "provenance.html", "bicubic.html"}
    assert check_references(tmp_path) >= 4 * (1 + 1 + 2 * 3)


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    site.build(tmp_path)
    for page in all_pages(tmp_path):
        assert not [url for name, url in page.references() if name == "src" and "//" in url]
        assert {link["rel"] for link in page.all("link")} == {"icon", "stylesheet"}
        assert all(not urlsplit(link["href"]).netloc for link in page.all("link"))
        [policy] = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert "default-src 'none'" in policy and "'unsafe-inline'" not in policy.partition("script-src")[2]
    css = (tmp_path / "site/assets/site.css").read_text()
    assert "@import" not in css and "url(" not in css


def test_hostile_names_are_text(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    site.build(tmp_path)
    for page in all_pages(tmp_path):
        assert page.all("script") and all(script.get("src") for script in page.all("script")), "no inline script"
        assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    for page in pages(tmp_path):
        assert "{{ 7*7 }}" in page.text
        assert HOSTILE[0] in page.text and HOSTILE[1] in page.text


def test_a_link_in_a_card_is_a_link_only_if_it_is_one_of_the_web(tmp_path: Path) -> None:
    card = manifest("evil")
    card["method"]["code"] = "javascript:alert(1)"
    card["method"]["paper"] = None
    write_result(tmp_path, card, scored({"a": {"psnr": 1.0, "ssim": 0.5}}))
    site.build(tmp_path)
    for page in (Page(tmp_path / "site/provenance.html"), Page(tmp_path / "site/methods/evil.html")):
        assert "javascript:alert(1)" in page.text
        assert not [url for _, url in page.references() if url.startswith("javascript")]


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path: Path) -> None:
    assert "No results yet" in Page(site.build(tmp_path)).text


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no such results folder"):
        site.build(tmp_path / "nowhere")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_result(tmp_path, manifest(), scored({"a": {"psnr": 20.0, "ssim": 0.5}}))
    (tmp_path / "index.html").mkdir()
    with pytest.raises(ResultsError, match=r"index\.html: can't be written"):
        site.build(tmp_path)


def test_a_protocol_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "results"
    card = manifest(protocol="../../outside", profile="..")
    result = Result(root / "p" / "m" / "f", Manifest.from_json(card))
    result.save_manifest()
    result.append(ImageRecord("a", {"psnr": 1.0}, {"psnr": 1}))
    result.close()
    site.build(root)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    for page in pages(root):
        paths = [url for _, url in page.references() if not urlsplit(url).scheme and urlsplit(url).path]
        assert paths and all(page.file_of(url).exists() for url in paths)


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of #rrggbb."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme: str) -> None:
    css = (bundled_folder("reports") / "site" / {"light": "site.css", "dark": "dark.css"}[scheme]).read_text()
    [block, *_] = re.findall(r":root \{(.*?)\}", css, re.S)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for text in ("ink", "quiet", "accent", "trouble"):
        for ground in ("paper", "plate"):
            high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_no_script_of_the_page_takes_text_for_markup() -> None:
    """A label with markup in it stays text: scripts move the cells that the autoescaping template wrote."""
    scripts = sorted(bundled_folder("reports").glob("site/*.js"))
    parsing = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|eval\("
    )
    assert len(scripts) >= 5
    assert [path.name for path in scripts if parsing.search(path.read_text(encoding="utf-8"))] == []
