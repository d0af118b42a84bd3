"""Where numbers come from: the page of provenance, commands that compute them again, citations."""

from __future__ import annotations

from pathlib import Path

from facesr_bench.report import site
from facesr_bench.report.citations import bibliography, paper_entry, run_entry
from facesr_bench.report.site.provenance import command
from facesr_bench.results.record import Manifest, PaperRecord, Request
from facesr_bench.results.summary import summarise
from tests.report_fixtures import manifest, scored, write_result
from tests.site_pages import Page, pages


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
