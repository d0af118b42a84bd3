"""A site of which nothing has changed is not built again; whatever has changed is seen."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from facesr_bench.base.files import replacing
from facesr_bench.base.hashing import cache_folder
from facesr_bench.images.files import write_png
from facesr_bench.report import site
from facesr_bench.report.site import unchanged
from facesr_bench.report.site.pages import Pages
from facesr_bench.results.checks import sealed
from facesr_bench.results.store import Result, read_results
from tests.report_fixtures import drawing, manifest, scored, write_result


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    for number in range(2):
        values = {f"face {i}": {"psnr": 20.0 + number, "ssim": 0.5} for i in range(3)}
        write_result(root, manifest(f"method-{number}"), scored(values), pictures=True, noise=5 * number)
    site.build(root)
    return root


def files(root: Path) -> dict[Path, tuple[int, int]]:
    """Every file of a site, and which one it is: one that is written again is another."""
    found = [root / "index.html", *(path for path in (root / "site").rglob("*") if path.is_file())]
    return {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in found}


def result(root: Path) -> Result:
    return read_results(root).results[0]


def keeping_dates(path: Path, change: Callable[[Path], object]) -> None:
    """Change a file and give it its date back."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("beside", [False, True], ids=["in the results folder", "elsewhere"])
def test_nothing_is_written_again(root: Path, tmp_path: Path, beside: bool) -> None:
    out = tmp_path / "site" if beside else None
    built = site.build(root, out)
    before = files(built.parent)
    assert site.build(root, out) == built
    assert files(built.parent) == before


@pytest.mark.parametrize("name", ["index.html", "site/boards/toy-x8/sparnet/1.html", "site/assets/site.css"])
def test_a_page_that_was_removed_or_edited_is_made_again(root: Path, name: str) -> None:
    path = root / name
    right = path.read_bytes()
    path.unlink()
    site.build(root)
    assert path.read_bytes() == right

    keeping_dates(path, lambda path: path.write_bytes(right[:-2] + b"!\n"))
    site.build(root)
    assert path.read_bytes() == right


def test_a_number_that_was_changed_behind_its_date_is_seen(root: Path) -> None:
    def change(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("".join(f"{sealed(line.replace('20.0', '29.0'))}\n" for line in lines), encoding="utf-8")

    assert "29.00" not in (root / "index.html").read_text(encoding="utf-8")
    keeping_dates(root / "toy-x8/method-0" / result(root).folder.name / "images.jsonl", change)
    assert "29.00" in site.build(root).read_text(encoding="utf-8")


def test_a_picture_of_another_date_and_a_new_release_are_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(root)
    write_png(result(root).sr_path("face 1"), drawing(9))
    site.build(root)
    assert files(root) != before

    before = files(root)
    monkeypatch.setattr(unchanged, "version", lambda name: f"another {name}")
    site.build(root)
    assert files(root) != before


def test_what_is_written_while_results_are_read_is_shown_by_the_next_build(root: Path) -> None:
    made = site.made_of(root)
    stored = read_results(root)
    late = result(root)
    late.append(scored({"late face": {"psnr": 33.0, "ssim": 0.5}})[0])
    late.close()
    assert "late face" not in site.build(root, stored=stored, made=made).read_text(encoding="utf-8")
    site.build(root)
    assert "late face" in (root / "site/boards/toy-x8/sparnet/1.html").read_text(encoding="utf-8")


def test_what_another_build_writes_beside_this_one_is_seen(root: Path) -> None:
    """It may have read other results than this one has."""
    page = root / "site/boards/toy-x8/sparnet/1.html"
    right = page.read_bytes()
    pages = Pages(root)
    for name in files(root):
        pages.keep(name)
    with replacing(page) as partial:
        partial.write_bytes(right.replace(b"face 1", b"face 8"))
    pages.settle(site.made_of(root))
    site.build(root)
    assert page.read_bytes() == right


@pytest.mark.parametrize("place", ["elsewhere", "the same place"])
def test_pages_of_a_stranger_are_not_taken_for_ours(root: Path, tmp_path: Path, place: str) -> None:
    """Not with dates and sizes as ours have them, nor with a note of their own that they stand."""
    sent = tmp_path / "sent"
    shutil.copytree(root, sent)
    keeping_dates(sent / "index.html", lambda path: path.write_bytes(path.read_bytes()[:-8] + b"foreign\n"))
    shutil.copy(cache_folder() / unchanged.MEMORY, sent / "site")
    shutil.copy(cache_folder() / unchanged.MEMORY, sent)
    if place == "the same place":
        shutil.rmtree(root)
        sent.rename(root)
        sent = root
    assert b"foreign" not in site.build(sent).read_bytes()


def test_results_that_are_links_are_built_each_time(root: Path) -> None:
    assert site.made_of(root) is not None
    picture = result(root).sr_path("face 1")
    picture.with_suffix(".link.png").symlink_to(picture.name)
    assert site.made_of(root) is None
    before = files(root)
    site.build(root)
    assert files(root) != before


def test_a_cache_that_is_unwritable_or_damaged_costs_time_alone(root: Path, tmp_path: Path) -> None:
    memory = cache_folder() / unchanged.MEMORY
    for text in ("[]", "{", f'{{"{root}": 5}}'):
        memory.write_text(text, encoding="utf-8")
        before = files(root)
        site.build(root)
        assert files(root) != before
    memory.unlink()
    memory.mkdir()
    assert site.build(root).is_file()
    memory.rmdir()
    os.mkfifo(memory)  # nobody waits for it
    assert site.build(root).is_file()


def test_few_sites_are_remembered(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unchanged, "MOST", 2)
    for name in ("one", "two", "three"):
        site.build(root, tmp_path / name)
    known = json.loads((cache_folder() / unchanged.MEMORY).read_text(encoding="utf-8"))
    assert [Path(name).name for name in known] == ["two", "three"]
