"""The first page, the method and provenance pages and the gallery in a real browser, opened from disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import HOSTILE, Visit, follow

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
RANKING = ["perfect", HOSTILE[1], "bicubic", HOSTILE[0], "broken"]


def labels(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("table.leaderboard tbody th .label").all_inner_texts()]


def header(page: Any, title: str) -> Any:
    """The column of this title that can be seen, if there is one."""
    return page.locator("table.leaderboard thead th:visible", has_text=title)


def expect_labels(page: Any, expected: list[str]) -> None:
    """Wait until the leaderboard has these rows: the browser answers a key press before the page has seen it."""
    sync_api.expect(page.locator("table.leaderboard tbody th .label")).to_have_text(expected)


def expect_sorted(header: Any, direction: str) -> None:
    sync_api.expect(header).to_have_attribute("aria-sort", direction)


def test_sorting(visit: Visit) -> None:
    page = visit.page
    psnr = header(page, "PSNR")
    # Images of `bicubic` are fewer: it comes after those that ran on all.
    assert labels(page)[0] == "perfect" and labels(page)[-1] == "broken"
    assert psnr.get_attribute("aria-sort") == "descending"
    psnr.click()
    expect_sorted(psnr, "ascending")
    expect_labels(page, [*RANKING[3::-1], "broken"])  # no value stays last
    psnr.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect_sorted(psnr, "descending")
    expect_labels(page, RANKING)
    method = header(page, "Method")
    method.click()
    expect_sorted(method, "ascending")
    assert not psnr.get_attribute("aria-sort")
    assert labels(page)[-3:] == ["bicubic", "broken", "perfect"]


def test_search(visit: Visit) -> None:
    page = visit.page
    search = page.get_by_label("Filter rows")
    search.fill("perf")
    expect_labels(page, ["perfect"])
    search.fill("<img")
    expect_labels(page, [HOSTILE[0]])
    search.fill("nothing of that name")
    expect_labels(page, [])
    assert page.get_by_text("No method with these words").is_visible()
    search.fill("")
    sync_api.expect(page.locator("table.leaderboard tbody th .label")).to_have_count(5)


def test_columns_can_be_hidden_and_shown(visit: Visit) -> None:
    page = visit.page
    assert header(page, "LPIPS").count() == 0, "no method has a value: it begins hidden, and that is said"
    assert page.get_by_text(re.compile("more columns? to choose from")).count() == 1
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="SSIM").uncheck()
    assert header(page, "SSIM").count() == 0 and header(page, "PSNR").count() == 1
    row = page.locator("table.leaderboard tbody tr").first
    assert row.locator("> :visible").count() == page.locator("table.leaderboard thead th:visible").count()
    page.get_by_role("checkbox", name="SSIM").check()
    page.get_by_role("checkbox", name="LPIPS").check()
    assert header(page, "SSIM").is_visible() and header(page, "LPIPS").is_visible()
    page.keyboard.press("Escape")
    sync_api.expect(page.get_by_role("checkbox", name="SSIM")).not_to_be_visible()


def test_hostile_names_are_text(visit: Visit) -> None:
    page = visit.page
    assert set(HOSTILE[:2]) <= set(labels(page))
    assert page.locator("img:not(article img, .hero img)").count() == 0
    assert set(page.locator("article h3 .label").all_inner_texts()) == set(HOSTILE)
    assert page.locator("script:not([src])").count() == 0
    follow(page.get_by_role("link", name=HOSTILE[1], exact=True).first)
    assert page.locator("h1").inner_text() == HOSTILE[1]
    assert page.locator(".units").count() == 4, "the mean, and three images"


def test_a_row_leads_to_its_provenance(visit: Visit) -> None:
    page = visit.page
    follow(page.get_by_role("link", name="manifest of perfect"))
    target = page.locator(":target")
    assert target.locator("h3").inner_text() == "perfect"
    assert "facesr-bench run --methods perfect --protocols toy-x8" in target.inner_text()
    copy = target.locator(".copy button").first
    copy.click()
    sync_api.expect(copy).to_have_text(re.compile("Copied|Selected"))


def test_images_load_from_disk(visit: Visit) -> None:
    page = visit.page
    follow(page.get_by_role("link", name="side by side"))
    assert set(page.locator("article h2 .label").all_inner_texts()) == set(HOSTILE)
    for picture in page.locator("img").all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("async image => { await image.decode(); }")
        assert picture.evaluate("image => image.naturalWidth") in {4, 32}
    assert page.locator("img").count() == 3 * (1 + 2 * 4 + 1) - 2, "one image failed with one method"
    shown = page.locator("img").first
    assert shown.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    assert shown.bounding_box()["width"] == 32
    page.locator("input[name=zoom][value='2']").check()
    assert shown.bounding_box()["width"] == 64
    follow(page.get_by_role("link", name="facesr-bench"))
    assert page.locator("table.leaderboard").count() == 1


def order(page: Any) -> list[str]:
    names: list[str] = page.locator("article h2 .label").all_text_contents()
    return names


def test_what_the_gallery_sorts_looks_as_the_page_was_written(visit: Visit, board: Path) -> None:
    """Captions, sizes, classes, numbers and marks, of every figure: only the order is another."""
    page = visit.page
    page.goto((board / "1.html").as_uri())

    def figures() -> dict[str, list[str]]:
        found: dict[str, list[str]] = page.evaluate(FIGURES)
        return found

    written = figures()
    assert "4 \N{MULTIPLICATION SIGN} 4" in written[HOSTILE[0]][0]
    assert "32 \N{MULTIPLICATION SIGN} 32" in written[HOSTILE[0]][-1]
    assert any("<b>" in figure for figure in written[HOSTILE[0]])
    page.get_by_label("Sort by").select_option("PSNR")
    page.get_by_label("Method", exact=True).select_option("bicubic")
    assert order(page) != list(written), "made anew"
    assert figures() == written


FIGURES = r"""() => Object.fromEntries([...document.querySelectorAll("article")].map((article) => [
  article.querySelector("h2 .label").textContent,
  [...article.querySelectorAll("figure")].map((figure) => {
    for (const image of figure.querySelectorAll("img")) image.dataset.address = decodeURIComponent(image.src);
    for (const sized of figure.querySelectorAll("[style]")) sized.dataset.size = sized.style.cssText;
    const html = figure.outerHTML.replace(/\s+/g, " ").replaceAll("> <", "><");
    return html.replace(/ (style|src)="[^"]*"| class=""/g, "");
  }),
]))"""
"""Every figure's HTML by the image's name, its blanks and addresses in one form."""


def test_the_gallery_sorts_and_filters(visit: Visit, board: Path) -> None:
    page = visit.page
    page.goto((board / "1.html").as_uri())
    written = order(page)
    page.get_by_label("Sort by").select_option("PSNR")
    page.get_by_label("Method", exact=True).select_option("bicubic")
    assert order(page) == [HOSTILE[0], HOSTILE[1], HOSTILE[2]], "worst first; the image without a value last"
    page.get_by_label("Order").select_option("largest first")
    assert order(page) == [HOSTILE[1], HOSTILE[0], HOSTILE[2]]
    page.get_by_label("Sort by").select_option("PSNR, difference of two methods")
    page.get_by_label("Method A").select_option(HOSTILE[1])
    page.get_by_label("less method B").select_option("bicubic")
    assert order(page)[-1] == HOSTILE[2] and "4.00" in page.locator("article h2").first.inner_text()
    page.get_by_label("Show").select_option("failed with some method")
    assert order(page) == [HOSTILE[2]] and page.get_by_text("failed: no such <face>").is_visible()
    assert page.locator("#found").inner_text() == "1 image"
    page.get_by_label("Show").select_option("all images")
    page.get_by_label("Name contains").fill("script")
    assert order(page) == [HOSTILE[1]]
    for picture in page.locator("article img").all():
        picture.evaluate("async image => { await image.decode(); }")
    page.get_by_label("Name contains").fill("")
    page.get_by_label("Sort by").select_option("their order in the set")
    assert order(page) == written


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_the_tables_and_not_the_page(browser: Any, index: Path, scheme: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in (index, *sorted((index.parent / "site").rglob("*.html"))):
        visit.page.goto(path.as_uri())
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360, path
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(252, 251, 248)" if scheme == "light" else "rgb(20, 21, 22)")
    visit.check()
    visit.page.close()


def test_without_script_everything_is_there(browser: Any, index: Path, board: Path) -> None:
    visit = Visit(browser, java_script_enabled=False)
    visit.page.goto(index.as_uri())
    assert visit.page.locator("table.leaderboard tbody tr").count() == 5
    assert visit.page.locator("thead th", has_text="LPIPS").is_visible()
    visit.page.goto((board / "1.html").as_uri())
    assert visit.page.locator("article").count() == 3
    visit.page.goto((board / "mean.html").as_uri())
    assert visit.page.locator("noscript img, main img").count() >= 4
    visit.check()
    visit.page.close()
