"""A site of its own works wherever it is put: behind a strict policy, in a zip, on GitHub Pages, without JavaScript."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.site import build
from tests.browser.conftest import HOSTILE, METHODS, Visit, follow
from tests.browser.test_accessibility import kinds
from tests.report_fixtures import manifest, scored, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

POLICY = "default-src 'self'"


class Strict(http.server.SimpleHTTPRequestHandler):
    """Serves files, and asks of the browser to run and load nothing else."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def exported(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site that stands alone."""
    out = tmp_path_factory.mktemp("exported") / "site"
    build(index.parent, out)
    return out


@pytest.fixture(scope="module")
def served(exported: Path) -> Iterator[str]:
    yield from serve(exported)


def serve(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Strict, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


def board_of(root: Path) -> Path:
    return next((root / "site/boards").glob("*/*"))


def look(visit: Visit, kind: str) -> None:
    """Wait for what a page's scripts draw, and see that every picture in sight is there."""
    page = visit.page
    if kind in {"image", "mean"}:
        page.locator("body[data-drawn]").wait_for(state="attached")
        assert page.evaluate("[...document.querySelectorAll('canvas[data-method]')].some((each) => each.width > 1)")
    for picture in page.locator("main img").all():
        if picture.is_visible():
            picture.scroll_into_view_if_needed()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_no_page_breaks_a_strict_policy(browser: Any, exported: Path, served: str) -> None:
    """Violations are written to the console, which a visit listens to."""
    for kind, path in kinds(exported / "index.html", board_of(exported)).items():
        visit = Visit(browser, served, viewport={"width": 1280, "height": 900})
        visit.page.goto(served + path.relative_to(exported).as_posix().replace("%", "%25").replace("#", "%23"))
        look(visit, kind)
        if kind == "overview":
            table = visit.page.locator("table.leaderboard")
            assert table.locator("line").first.get_attribute("x1") is not None, "whiskers need no style"
            hero = visit.page.locator(".hero .box")
            assert hero.bounding_box()["width"] > 100
        visit.check()
        visit.page.close()


def test_a_strict_policy_would_be_noticed(browser: Any, served: str) -> None:
    """What the test above relies on: an inline style is refused, and said so."""
    visit = Visit(browser, served)
    visit.page.goto(served)
    visit.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    visit.page.wait_for_timeout(100)
    assert any("Content Security Policy" in problem for problem in visit.problems)
    visit.page.close()


@pytest.mark.parametrize("scripted", [True, False], ids=["with scripts", "without JavaScript"])
def test_it_opens_from_a_zip(browser: Any, exported: Path, tmp_path: Path, scripted: bool) -> None:
    packed = shutil.make_archive(str(tmp_path / "site"), "zip", exported)
    unpacked = tmp_path / "somewhere else"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(unpacked)
    for kind, path in kinds(unpacked / "index.html", board_of(unpacked)).items():
        visit = Visit(browser, java_script_enabled=scripted)
        visit.page.goto(path.as_uri())
        if scripted:
            look(visit, kind)
        visit.check()
        visit.page.close()


def test_without_javascript_tables_and_pictures_are_readable(browser: Any, exported: Path) -> None:
    visit = Visit(browser, java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = visit.page
    page.goto((exported / "index.html").as_uri())
    rows = page.locator("table.leaderboard tbody tr")
    assert rows.count() == len(METHODS) + 1
    assert "20.50" in page.locator("table.leaderboard").inner_text(), "the mean of bicubic"
    assert page.locator(".scatter circle").first.is_visible() and not page.locator(".hero").first.is_visible()
    for control in (".find", ".zoom", ".board-tools", ".pin"):
        assert not any(each.is_visible() for each in page.locator(control).all()), f"{control} would do nothing"
    follow(page.get_by_role("link", name="See all"))
    pictures = page.locator("article").first.locator("img")
    sizes = [(box["width"], box["height"]) for each in pictures.all() if (box := each.bounding_box())]
    assert len(sizes) == pictures.count() == 1 + 2 * len(METHODS) + 1 and set(sizes) == {(32, 32)}
    follow(page.locator("article h2 a").first)
    sync_api.expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
    follow(page.get_by_role("link", name="The images side by side"))
    sync_api.expect(page.locator("article")).to_have_count(len(HOSTILE))
    page.goto((board_of(exported) / "mean.html").as_uri())
    assert page.locator("main img").first.is_visible(), "mean maps are pictures too"
    visit.check()
    page.close()


def test_a_map_in_a_picture_of_several_is_its_own(browser: Any, exported: Path, served: str) -> None:
    """What the gallery shows of a sheet of maps is the part that the sheet has for that image, pixel by pixel."""
    visit = Visit(browser, served, viewport={"width": 1280, "height": 900})
    page = visit.page
    page.goto(f"{served}{board_of(exported).relative_to(exported).as_posix()}/1.html")
    shown = {}
    for article in page.locator("article").all():
        image = article.locator("img.map").last
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")
        shown[article.locator("h2 .label").inner_text()] = image.screenshot()
    assert len(set(shown.values())) == len(HOSTILE), "three images, three maps"
    visit.check()
    page.close()


@pytest.mark.skipif(shutil.which("jekyll") is None, reason="needs Debian's jekyll")
def test_github_pages_serves_all_of_it(browser: Any, tmp_path: Path) -> None:
    """GitHub Pages runs Jekyll unless `.nojekyll` is there; even what Jekyll makes of the folder is whole.

    Jekyll alone leaves out names that begin with _, and writes others that hold %20; with `.nojekyll` all stay.
    """
    values = {image_id: {"psnr": 20.0, "ssim": 0.5} for image_id in ("a", "b")}
    for label in ("bicubic", "mine"):
        write_result(tmp_path / "results", manifest(label, total=2), scored(values), pictures=True)
    exported, built = tmp_path / "exported", tmp_path / "built"
    build(tmp_path / "results", exported)
    assert (exported / ".nojekyll").is_file()
    command = ["jekyll", "build", "--source", str(exported), "--destination", str(built), "--disable-disk-cache"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    own = {path.relative_to(exported).as_posix() for path in (exported / "site").rglob("*") if path.is_file()}
    assert own and all((built / name).is_file() for name in own)
    for address in serve(built):
        for name in ("index.html", *(f"site/boards/toy-x8/sparnet/{n}.html" for n in ("1", "image", "mean"))):
            visit = Visit(browser, address)
            visit.page.goto(address + name)
            look(visit, Path(name).stem)
            visit.check()
            visit.page.close()
