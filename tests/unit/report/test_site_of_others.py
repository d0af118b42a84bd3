"""A site touches nothing that is not its own, and says nothing of the author's machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report import site
from facesr_bench.report.site.places import base_names, without_places
from facesr_bench.results.image_record import ImageRecord
from tests.report_fixtures import manifest, scored, write_result

ROWS = scored({"a": {"psnr": 20.0, "ssim": 0.5}})


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "victim/sub").mkdir(parents=True)
    for name in ("thesis.txt", "sub/data.js"):
        (tmp_path / "victim" / name).write_text("mine")
    return tmp_path / "victim"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_result(tmp_path / "results", manifest(total=1), ROWS, pictures=True)
    return tmp_path / "results"


def untouched(victim: Path) -> bool:
    found = {path.relative_to(victim).as_posix() for path in victim.rglob("*") if path.is_file()}
    return found == {"thesis.txt", "sub/data.js"}


@pytest.mark.parametrize("name", ["_site", "site", "site/boards", "site/assets/site.css"])
def test_a_link_in_place_of_its_folder_is_refused(results: Path, victim: Path, name: str) -> None:
    path = results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith("site/"):
        (results / "site/written.txt").touch()
    path.symlink_to(victim)
    with pytest.raises(ResultsError, match="a link; nothing is written or removed through it"):
        site.build(results)
    assert untouched(victim)


@pytest.mark.parametrize("listed", ["site/written.txt", "_site/copied.txt"])
@pytest.mark.parametrize("name", ["{victim}/thesis.txt", "../victim/thesis.txt", "site/../../victim/thesis.txt"])
def test_a_list_that_names_what_is_outside_is_refused(results: Path, victim: Path, listed: str, name: str) -> None:
    out = results.parent / "out"
    (out / listed).parent.mkdir(parents=True)
    (out / listed).write_text(name.format(victim=victim) + "\n")
    with pytest.raises(ResultsError, match="not as a build writes it"):
        site.build(results, out)
    assert untouched(victim)


def test_what_no_build_has_written_stays(results: Path) -> None:
    site.build(results)
    (results / "site/notes.html").write_text("mine")
    (results / "site/methods/old.html").write_text("from an earlier build")
    with (results / "site/written.txt").open("a") as stream:
        stream.write("site/methods/old.html\ntoy-x8/notes.txt\n")
    (results / "toy-x8/notes.txt").write_text("mine")
    site.build(results)
    assert (results / "site/notes.html").exists() and not (results / "site/methods/old.html").exists()
    assert (results / "toy-x8/notes.txt").exists(), "in the results folder only pages are a build's own"


def test_a_folder_that_is_not_its_own_is_not_written_into(results: Path) -> None:
    (results / "site").mkdir()
    (results / "site/provenance.html").write_text("mine")
    with pytest.raises(ResultsError, match="has not made it"):
        site.build(results)
    assert (results / "site/provenance.html").read_text() == "mine"


def test_the_pages_of_earlier_releases_go_and_what_lies_among_them_stays(results: Path) -> None:
    old = results / "_site"
    (old / "boards/toy-x8/sparnet").mkdir(parents=True)
    for name in ("provenance.html", "boards/toy-x8/sparnet/1.html", "boards/toy-x8/sparnet/data.js"):
        (old / name).write_text("<title>facesr-bench</title>")
    (old / "boards/notes.txt").write_text("mine")
    site.build(results)
    assert [path.relative_to(old).as_posix() for path in old.rglob("*") if path.is_file()] == ["boards/notes.txt"]


def test_github_pages_serves_all_of_it(results: Path) -> None:
    site.build(results, results.parent / "out")
    assert (results.parent / "out/.nojekyll").is_file()
    assert not list((results.parent / "out").rglob("_*"))


def test_an_exported_site_does_not_say_where_the_author_keeps_files(results: Path) -> None:
    place = "/home/jane/secret"
    card = manifest("mine", total=2, error=f"FileNotFoundError: {place}/model.py: no such file")
    card["error_details"] = f'Traceback\n  File "{place}/with space/model.py", line 3'
    write_result(results, card, [])
    old = manifest("old", total=2)
    old |= {"request": None, "command": f"{place}/bin/facesr-bench run --data toy={place}/toy --methods {place}/m.py"}
    write_result(results, old, [*ROWS, ImageRecord("b", error=f"{place}/b.png: can't be read")])
    asked = manifest("asked", total=1)
    asked["request"]["options"] = {
        "fid_reference": {"mine": f"{place}/my.npz"},
        "metrics": [f"lpips@squeeze={place}/l"],
    }
    asked["metrics"]["psnr"] = {**asked["metrics"]["psnr"], "fid_reference": f"mine={place}/my.npz"}
    write_result(results, asked, ROWS)
    out = results.parent / "out"
    site.build(results, out)
    texts = {path: path.read_text("utf-8", "replace") for path in out.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "jane" in text or str(results.parent) in text]
    page = texts[out / "site/provenance.html"]
    assert "facesr-bench run --data toy=DIR --methods m.py" in page
    assert "b.png: can&#39;t be read" in page and "model.py" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/my faces/x.png", "x.png"),
        ("can't open '/home/me/my faces/x.png' or ~/y.png", "can't open 'x.png' or y.png"),
        (r"C:\Users\me\x.png: missing", "x.png: missing"),
        ("see https://example.org/a/b and file:///home/me/x", "see https://example.org/a/b and file://x"),
        ("24.9 / 0.8 ms/image, a/../b, </script>", "24.9 / 0.8 ms/image, a/../b, </script>"),
        ("chaofengc/Face-SPARNet@master:psnr_ssim.py", "chaofengc/Face-SPARNet@master:psnr_ssim.py"),
    ],
)
def test_base_names(text: str, shown: str) -> None:
    assert base_names(text) == shown


def test_a_command_without_places_is_shown_as_typed() -> None:
    typed = "facesr-bench run --methods <img src=x> 'a b'"
    assert without_places({"command": typed}) == {"command": typed}
    spaced = "facesr-bench run --data 'helen=/home/me/my faces' --out=/tmp/x"
    assert without_places({"command": spaced}) == {"command": "facesr-bench run --data helen=DIR --out=x"}
