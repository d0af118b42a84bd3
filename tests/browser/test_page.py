"""The page in a real browser, opened from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.site import build
from tests.report_fixtures import manifest, scored, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

HOSTILE = ["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "50% #1?.png"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results #1 100%")
    for label, base in {"bicubic": 20.0, "perfect": float("inf"), HOSTILE[0]: 9.5, HOSTILE[1]: 24.0}.items():
        values = {image_id: {"psnr": base + i, "ssim": 0.5} for i, image_id in enumerate(HOSTILE)}
        write_result(root, manifest(label), scored(values), pictures=True)
    write_result(root, manifest("broken", error="no weights"), [])
    return build(root)


class Visit:
    """A page and all that went wrong on it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(120_000)  # a busy machine is not a fault of the page either
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("requestfailed", self._note_failure)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note_failure(self, request: Any) -> None:
        # Leaving a page aborts the pictures it was still loading: no fault of the page.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.problems.append(f"failed: {request.url}: {request.failure}")

    def _dismiss(self, dialog: Any) -> None:
        self.problems.append(dialog.message)
        dialog.dismiss()

    def check(self) -> None:
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:"))] == []


@pytest.fixture
def visit(browser: Any, index: Path) -> Iterator[Visit]:
    visit = Visit(browser, viewport={"width": 1280, "height": 900})
    visit.page.goto(index.as_uri())
    yield visit
    visit.check()
    visit.page.close()


def labels(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("table tbody th .label").all_inner_texts()]


def test_sorting(visit: Visit) -> None:
    page = visit.page
    header = page.locator("thead th", has_text="PSNR")
    ranking = ["perfect", HOSTILE[1], "bicubic", HOSTILE[0], "broken"]
    assert labels(page) == ranking
    assert header.get_attribute("aria-sort") == "descending"
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert labels(page) == [HOSTILE[0], "bicubic", HOSTILE[1], "perfect", "broken"], "no value stays last"
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert labels(page) == ranking
    method = page.locator("thead th", has_text="Method")
    method.get_by_role("button").click()
    assert method.get_attribute("aria-sort") == "ascending" and header.get_attribute("aria-sort") is None
    assert labels(page)[-3:] == ["bicubic", "broken", "perfect"]


def test_provenance_opens_and_moves_with_its_row(visit: Visit) -> None:
    page = visit.page
    button = page.locator("button.more").first
    row = page.locator(f"[id='{button.get_attribute('aria-controls')}']")
    assert not row.is_visible() and button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert row.is_visible() and button.get_attribute("aria-expanded") == "true"
    page.locator("thead th", has_text="PSNR").get_by_role("button").click()
    assert row.evaluate("row => row.previousElementSibling.querySelector('.label').textContent") == "perfect"


def test_hostile_names_are_text(visit: Visit) -> None:
    assert set(HOSTILE[:2]) <= set(labels(visit.page))
    assert visit.page.locator("img:not(article img)").count() == 0
    assert visit.page.locator("article img").count() == 3 * (1 + 2 * 4 + 1)
    assert set(visit.page.locator("article h3 .label").all_inner_texts()) == set(HOSTILE)
    assert visit.page.locator("script").count() == 1


def test_images_load_from_disk(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="side by side").click()
    page.wait_for_load_state()
    assert set(page.locator("article h2 .label").all_inner_texts()) == set(HOSTILE)
    for picture in page.locator("img").all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("async image => { await image.decode(); }")
        assert picture.evaluate("image => image.naturalWidth") in {4, 32}
    assert page.locator("img").count() == 3 * (1 + 2 * 4 + 1)
    shown = page.locator("img").first
    assert shown.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    assert shown.bounding_box()["width"] == 32
    page.locator("input[name=zoom][value='2']").check()
    assert shown.bounding_box()["width"] == 64
    page.get_by_role("link", name="facesr-bench").click()
    assert page.locator("table").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_the_tables_and_not_the_page(browser: Any, index: Path, scheme: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in (index, next(index.parent.glob("_pages/*/*/1.html"))):
        visit.page.goto(path.as_uri())
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(252, 251, 248)" if scheme == "light" else "rgb(20, 21, 22)")
    visit.check()
    visit.page.close()


def test_without_script_everything_is_there(browser: Any, index: Path) -> None:
    visit = Visit(browser, java_script_enabled=False)
    visit.page.goto(index.as_uri())
    assert visit.page.locator(".provenance").first.is_visible()
    visit.page.close()
