"""The pages: complete, self-contained, safe with any name."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.report import site
from facesr_bench.report.citations import bibliography, paper_entry, run_entry
from facesr_bench.report.site.provenance import command
from facesr_bench.report.tables.render import render
from facesr_bench.results.comparison import compare
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.record import Manifest, PaperRecord, Request
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results, to_frame

HOSTILE = ["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "a/../b %2e?#&'\"{{ 7*7 }}", "plain 1"]


class Page(HTMLParser):
    """What a browser would see of a page: its elements and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._raw = ""
        self._in_template = False  # what a template holds is not shown, nor fetched
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_template |= tag == "template"
        if self._in_template:
            return
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        self._raw = tag if tag in {"script", "style"} else ""

    def handle_data(self, data: str) -> None:
        if not self._raw and not self._in_template:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._in_template &= tag != "template"
        self._raw = ""

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def references(self) -> list[tuple[str, str]]:
        """(attribute, URL) of all that the page points at."""
        return [(k, v) for _, attributes in self.elements for k, v in attributes.items() if k in {"src", "href"}]

    def file_of(self, url: str) -> Path:
        return (self.path.parent / unquote(urlsplit(url).path)).resolve()


def hostile_results(root: Path) -> None:
    values = {image_id: {"psnr": 20.0 + i, "ssim": 0.5} for i, image_id in enumerate(HOSTILE)}
    for label in (HOSTILE[0], HOSTILE[1], "bicubic"):
        write_result(root, manifest(label, total=4), scored(values), pictures=True)


def pages(root: Path) -> list[Page]:
    """The first page and the galleries."""
    return [Page(path) for path in [root / "index.html", *sorted((root / "site/boards").glob("*/*/[0-9]*.html"))]]


def all_pages(root: Path) -> list[Page]:
    return [Page(path) for path in [root / "index.html", *sorted((root / "site").rglob("*.html"))]]


def test_every_reference_is_relative_and_exists(tmp_path: Path) -> None:
    hostile_results(tmp_path)
    assert site.build(tmp_path) == tmp_path / "index.html"
    kinds = {page.path.name for page in all_pages(tmp_path)}
    assert kinds >= {"index.html", "1.html", "image.html", "mean.html", "plots.html", "provenance.html", "bicubic.html"}
    assert check_references(tmp_path) >= 4 * (1 + 1 + 2 * 3)


def check_references(root: Path) -> int:
    """How many files the pages point at, all of them there."""
    seen = 0
    for page in all_pages(root):
        for _, url in page.references():
            if url.startswith(("data:,", "https://example.org/")) or url == "#main":
                continue
            parts = urlsplit(url)
            assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), url
            if parts.path:
                assert page.file_of(url).is_file(), url
                assert page.file_of(url).is_relative_to(root.resolve()), url
                if parts.fragment and page.file_of(url).name in {"index.html", "provenance.html"}:
                    target = Page(page.file_of(url))
                    assert unquote(parts.fragment) in {a.get("id") for _, a in target.elements}, url
                seen += 1
    return seen


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


def test_failures_reasons_and_partial_rows_are_said(tmp_path: Path) -> None:
    ids = ["a", "b", "c"]
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    full = scored({k: {"psnr": 20.0, "ssim": 0.5} for k in ids})
    for row in full:
        row.reasons["lpips"] = "needs weights `lpips`"
    write_result(tmp_path, manifest("full", metrics=metrics), full)
    shaky = [ImageRecord("a", error="first error"), ImageRecord("b", error="second <error>"), *full[2:]]
    write_result(tmp_path, manifest("shaky", metrics=metrics), shaky)
    broken = manifest("broken", metrics=metrics, error="no module named basicsr")
    broken["error_details"] = "Traceback (most recent call last): here"
    write_result(tmp_path, broken, [])
    page = Page(site.build(tmp_path))
    assert "needs weights `lpips`" in page.text and "first error" in page.text
    sources = Page(tmp_path / "site/provenance.html")
    for text in ("first error", "second <error>", "needs weights `lpips`", "no module named basicsr", "Traceback"):
        assert text in sources.text
    source = page.path.read_text()
    assert source.count('<tr class="unranked">') == 2 == source.count('class="tag"')
    images = pages(tmp_path)[1]
    assert "failed: first error" in images.text and "failed: second <error>" in images.text
    assert "Not shown: broken" in images.text


def test_plots_that_are_not_drawn_say_why(tmp_path: Path) -> None:
    metrics = {"psnr": PSNR, "lpips": LPIPS}
    rows = scored({k: {"psnr": 20.0 + i} for i, k in enumerate("abc")})
    for row in rows:
        row.reasons["lpips"] = "needs weights `lpips-alex`"
    write_result(tmp_path, manifest(metrics=metrics), rows)
    for _ in range(2):  # the second build draws nothing anew
        site.build(tmp_path)
        page = Page(next(tmp_path.glob("site/boards/*/*/plots.html")))
        assert len(page.all("img")) == 2, "the distribution of PSNR, for light pages and for dark"
        assert "Distortion against perception" in page.text and "LPIPS: needs weights `lpips-alex`" in page.text
        assert "needs at least two methods and two metrics" in page.text


def test_every_plot_and_table_can_be_taken_away(tmp_path: Path) -> None:
    for name, base in (("bicubic", 20.0), ("nearest", 18.0)):
        values = {str(i): {"psnr": base + i % 5, "ssim": 0.5 + i % 7 / 10} for i in range(20)}
        write_result(tmp_path, manifest(name, metrics={"psnr": PSNR, "ssim": SSIM}), scored(values))
    site.build(tmp_path)
    board = next(tmp_path.glob("site/boards/*/*"))
    (group,) = groups(summarise(newest_results(tmp_path)))

    found = list(csv.DictReader(io.StringIO((board / "table.csv").read_text())))
    means = {row["method"]: float(row["psnr"]) for row in found if not row["published"]}
    assert means == {row.label: row.means["psnr"] for row in group.rows}
    low, high = compare(group)["bicubic", "psnr"].interval or (0, 0)
    (row,) = [row for row in found if row["method"] == "bicubic" and not row["published"]]
    assert (float(row["psnr_low"]), float(row["psnr_high"])) == (low, high)
    latex = (board / "table.tex").read_text()
    assert r"\begin{tabular}" in latex and r"\textbf{22.00}" in latex
    assert (board / "table.bib").read_text() == bibliography(group.rows).text()
    own = list(csv.DictReader(io.StringIO((tmp_path / "site/methods/nearest.csv").read_text())))
    assert [row["method"] for row in own] == ["nearest"] and own[0]["psnr_best"] == "bicubic"

    linked = set()
    for path in (tmp_path / "index.html", board / "plots.html", *tmp_path.glob("site/methods/*.html")):
        page = Page(path)
        for element in page.all("a"):
            if "download" in element:
                target = (path.parent / str(element["href"])).resolve()
                assert target.is_file(), target
                linked.add(target.name)
    plots = {path.stem for path in (board / "plots").glob("*.svg") if not path.stem.endswith("-dark")}
    assert {"parallel", "distribution-1", "distribution-2"} <= plots
    assert {f"{name}.{end}" for name in plots for end in ("svg", "csv")} <= linked
    assert {"table.csv", "table.tex", "table.bib", "nearest.csv", "nearest.tex", "nearest.bib"} <= linked


def test_a_plot_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_result(tmp_path, manifest(), scored({k: {"psnr": 20.0 + i} for i, k in enumerate("abc")}))
    site.build(tmp_path)
    plot = next(tmp_path.glob("site/boards/*/*/plots/*[0-9].svg"))
    plot.unlink()
    plot.mkdir()
    with pytest.raises(ResultsError, match=f"{plot.name}: can't be written"):
        site.build(tmp_path)


def test_a_reason_is_given_once_for_a_metric_and_what_is_made_of_it(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "aggregates": ["auc-8"]}
    rows = scored({k: {"psnr": 20.0 + i, "lpips": 1.0} for i, k in enumerate("abc")})
    for row in rows:
        row.reasons["nme"] = "needs weights `2dfan4`"
    lpips = {**LPIPS, "aggregates": ["auc-8"]}
    write_result(tmp_path, manifest(metrics={"psnr": PSNR, "lpips": lpips, "nme": nme}), rows)
    site.build(tmp_path)
    text = Page(tmp_path / "site/methods/bicubic.html").text
    assert "needs weights `2dfan4`" in text and "LPIPS AUC@8" in text and "NME AUC@8" not in text


def test_provenance_is_on_the_page(tmp_path: Path) -> None:
    card = manifest("sparnet", weights="bundled")
    write_result(tmp_path, card, scored({"a": {"psnr": float("inf"), "ssim": 1.0}}))
    site.build(tmp_path)
    text = Page(tmp_path / "site/provenance.html").text
    for expected in (
        card["fingerprint"],
        card["command"],
        *(card["method"]["weights_sha256"], card["method"]["training_data"], card["method"]["licence"]),
        *("numpy 2.0.0", "0123abc", "with uncommitted changes", "Linux-x86_64", "2 threads", "2026-11-22 09:47 UTC"),
        *("Toy drawings", "CC0", "1.5 times the longer side", "Ground truth 32 px, low resolution 4 px"),
        "pillow-bicubic",
        *("On all three RGB channels", "Gaussian window; 11 px wide"),
        "facesr-bench run --methods sparnet@bundled --protocols toy-x8 --profile sparnet --metrics psnr,ssim",
        *("@misc{paper2020,", "title = {{A paper}}", f"fingerprint {card['fingerprint']}"),
    ):
        assert expected in text, expected
    assert "∞" in pages(tmp_path)[0].text


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


def test_site_csv_latex_and_frame_carry_the_same_numbers(tmp_path: Path) -> None:
    ids = [f"i{i}" for i in range(9)]
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    for number, label in enumerate(("one", "two", "three")):
        values = {
            image_id: {"psnr": 20 + number + i / 7, "ssim": 0.5 + i / 70, "lpips": 0.3 - number / 30 + i / 90}
            for i, image_id in enumerate(ids)
        }
        write_result(tmp_path, manifest(label, metrics=metrics, total=9), scored(values))
    page = Page(site.build(tmp_path))
    rows = summarise(newest_results(tmp_path))
    frame = to_frame(rows).set_index("method")
    table = list(csv.DictReader(io.StringIO(render(rows, "csv"))))
    latex = render(rows, "latex")
    cells = [a for tag, a in page.elements if tag == "td" and "num" in a.get("class", "") and a.get("data-order")]
    for record in table:
        for name, digits in (("psnr", 2), ("ssim", 4), ("lpips", 4)):
            exact = float(record[name])
            assert frame.loc[record["method"], name] == exact
            assert any(cell["data-order"] == repr(exact) for cell in cells), "the page sorts by the exact mean"
            text = f"{exact:.{digits}f}"
            assert text in page.text and text in latex
    method = Page(tmp_path / "site/methods/three.html").text
    assert f"{float(frame['psnr']['three']):.2f}" in method
    data = (tmp_path / "site/boards/toy-x8/sparnet/data.js").read_text()
    stored = json.loads(data[data.index("facesr.section = ") + 17 :].rstrip(";\n"))
    means = {m["label"]: sum(m["values"]["psnr"]) / len(ids) for m in stored["methods"]}
    assert means == pytest.approx(frame["psnr"].to_dict(), abs=1e-8)


def test_intervals_and_tests_stand_beside_the_means(tmp_path: Path) -> None:
    ids = [f"i{i:02}" for i in range(30)]
    spread = np.random.default_rng(0).normal(0, 1, (3, 30))
    spread -= spread.mean(axis=1, keepdims=True)
    for label, quality, own in (("best", 25.0, 0), ("alike", 24.9, 1), ("worse", 20.0, 2)):
        values = {k: {"psnr": quality + spread[own][i], "ssim": 0.5} for i, k in enumerate(ids)}
        write_result(tmp_path, manifest(label, total=30), scored(values))
    page = Page(site.build(tmp_path))
    cells = compare(groups(summarise(newest_results(tmp_path)))[0])
    for label in ("best", "alike", "worse"):
        low, high = cells[label, "psnr"].interval or (0, 0)
        assert f"{low:.2f} to {high:.2f}" in page.text
    titles = [a["title"] for tag, a in page.elements if tag == "td" and "title" in a]
    low, high = cells["alike", "psnr"].interval or (0, 0)
    (alike,) = [title for title in titles if f"95 % interval {low:.2f} to {high:.2f} over 30 images" in title]
    assert "against best, not significant" in alike
    assert f"effect size {cells['alike', 'psnr'].effect:.2f}".replace("-", "\N{MINUS SIGN}") in alike
    assert [title for title in titles if "against best, significant: Wilcoxon p < 0.0001 after Holm" in title]
    assert page.text.count("not significantly different from the best") >= 1


def test_values_of_a_whole_set_have_no_interval_and_no_value_per_image(tmp_path: Path) -> None:
    fid = {"title": "FID", "unit": "", "higher_is_better": False, "digits": 2, "version": 1, "of": "set"}
    values = {"a": {"psnr": 20.0}, "b": {"psnr": 21.0}}
    card = manifest(metrics={"psnr": PSNR, "fid": {**fid, "minimum_count": 100}}, total=2)
    result = write_result(tmp_path, card, scored(values))
    result.save_sets({"fid": {"value": 12.5, "n": 2, "standard_error": 0.75, "version": 1}})
    site.build(tmp_path)
    index, gallery = pages(tmp_path)
    assert "12.50 ± 0.75 (n = 2)" in index.text
    assert "FID" not in gallery.text


def test_commands_compute_the_same_again() -> None:
    card = manifest("sparnet", weights="official")
    asked = {"precision": "bf16", "limit": 5, "batch_size": 2}
    card["request"] = {"methods": ["sparnet@official"], "protocols": ["toy-x8"], "options": asked, "data": ["toy"]}
    assert command(Manifest.from_json(card)) == (
        "facesr-bench run --methods sparnet@official --protocols toy-x8 --profile sparnet --metrics psnr,ssim "
        "--precision bf16 --limit 5 --batch-size 2 --data toy=DIR"
    )
    card["metrics"]["lpips@squeeze:0123abcd"] = {"typed": "lpips@squeeze=squeeze.pth"}
    card["metrics"]["fid[clean:ours]"] = {"typed": "fid[clean]"}
    asked |= {"fid_reference": {"ours": "ours.npz"}, "metrics": ["fid[clean]"], "profile": "./my own.toml"}
    made = command(Manifest.from_json(card))
    assert "--metrics 'psnr,ssim,lpips@squeeze=squeeze.pth,fid[clean]'" in made, (
        "all that there are, as users type them"
    )
    assert "--profile './my own.toml'" in made and "--fid-reference ours=ours.npz" in made
    card["request"]["methods"] = ["./evil; rm -rf"]
    assert "'./evil; rm -rf'" in command(Manifest.from_json(card)), "ready for a shell"


def test_an_option_that_this_release_does_not_know_is_printed_too() -> None:
    request = Request(methods=("a",), protocols=("p",), options={"of_later": True, "not_given": False, "sizes": [1, 2]})
    assert request.command() == "facesr-bench run --methods a --protocols p --of-later --sizes 1,2"


def test_a_result_without_its_request_shows_the_command_that_was_typed() -> None:
    card = manifest() | {"request": None, "command": "facesr-bench run --methods bicubic --limit 5"}
    assert command(Manifest.from_json(card)) == card["command"]


def test_citations_are_the_papers_own_or_made_of_what_the_card_says() -> None:
    assert paper_entry(PaperRecord(bibtex="\n@article{x,}\n")) == "@article{x,}"
    made = paper_entry(PaperRecord(title="A {B} & 100 %", url="https://e.org/a_b", year=1))
    assert "title = {{A \\{B\\} \\& 100 \\%}}" in made and "url = {https://e.org/a_b}" in made
    assert "commit 0123abc" in run_entry(Manifest.from_json(manifest("sparnet")))


def test_a_paper_is_cited_by_one_key_on_pages_and_in_tables(tmp_path: Path) -> None:
    card = manifest("mynet")
    card["method"]["paper"] = {"title": "Better faces", "url": "https://e.org", "year": 2024, "bibtex": ""}
    result = write_result(tmp_path, card, scored({"a": {"psnr": 20.0, "ssim": 0.5}}))
    site.build(tmp_path)
    (entry,) = (text for text in bibliography(summarise([result])).entries.values() if "Better" in text)
    assert entry.startswith("@misc{better2024,") and entry in Page(tmp_path / "site/provenance.html").text


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


def test_no_script_of_the_page_takes_text_for_markup() -> None:
    """A label with markup in it stays text: scripts move the cells that the autoescaping template wrote."""
    scripts = sorted(bundled_folder("reports").glob("site/*.js"))
    parsing = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|eval\("
    )
    assert len(scripts) >= 5
    assert [path.name for path in scripts if parsing.search(path.read_text(encoding="utf-8"))] == []
