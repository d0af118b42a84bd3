"""The first screen of a site: numbers, a drawing and a face, before anybody scrolls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.site import build
from tests.browser.conftest import HOSTILE, Visit, follow
from tests.report_fixtures import manifest, scored, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


@pytest.mark.parametrize("width", [1440, 1280])
def test_the_first_row_the_drawing_and_the_face_begin_on_the_first_screen(
    browser: Any, index: Path, width: int
) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 900})
    visit.page.goto(index.as_uri())
    for what, most in ((".leaderboard tbody tr", 450), (".scatter .field", 450), (".hero .box", 650)):
        assert visit.page.locator(what).first.bounding_box()["y"] < most, what
    visit.check()
    visit.page.close()


def test_a_pinned_row_is_what_the_others_are_measured_against(visit: Visit) -> None:
    page = visit.page
    pin = page.get_by_role("button", name="pin bicubic: show every row's difference from it")
    pin.click()
    assert pin.get_attribute("aria-pressed") == "true"
    row = page.locator(".leaderboard tbody tr", has=page.get_by_role("link", name=HOSTILE[1], exact=True))
    # The means are over two images for bicubic (20, 21), over three for this one (24, 25, 26).
    assert row.locator(".delta").first.inner_text() == "+4.50"
    assert page.locator(".pinned .delta").count() == 0
    perfect = page.locator(".leaderboard tbody tr", has=page.get_by_role("link", name="perfect", exact=True))
    assert "∞" not in " ".join(perfect.locator(".delta").all_inner_texts()), "nothing is subtracted from infinity"
    pin.click()
    assert page.locator(".delta").count() == 0


def test_a_point_of_the_drawing_names_its_method_and_stays_named_when_clicked(visit: Visit) -> None:
    points = visit.page.locator(".scatter .point")
    assert points.count() >= 2
    for point in points.all():
        assert "PSNR" in point.get_attribute("aria-label")
    first = points.first
    before = first.get_attribute("aria-pressed")
    first.locator("circle").last.click()
    assert first.get_attribute("aria-pressed") != before
    first.focus()
    visit.page.keyboard.press("Enter")
    assert first.get_attribute("aria-pressed") == before


def test_one_face_is_dragged_enlarged_and_seen_with_attention(visit: Visit) -> None:
    page = visit.page
    hero = page.locator(".hero")
    left, right = (hero.get_by_label(name, exact=True) for name in ("Left picture", "Right picture"))
    right.select_option(label=HOSTILE[1])
    assert left.input_value() != right.input_value()
    unit = hero.get_by_label("Attention unit; 0: none")
    assert unit.get_attribute("max") == "2" and hero.locator("img.over").count() == 0
    unit.fill("2")
    assert hero.locator(".side.right img.over").count() == 1
    assert hero.locator("img.over").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
    hero.get_by_label("Where the left picture ends").fill("20")
    box = hero.locator(".box")
    assert box.evaluate("box => box.style.getPropertyValue('--cut')") == "20%"
    area = box.bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.7, area["y"] + 20)
    page.mouse.down()
    page.mouse.up()
    assert float(hero.get_by_label("Where the left picture ends").input_value()) == pytest.approx(70, abs=2)
    hero.locator(".zoom label").filter(has_text="4").click()
    scales = hero.locator(".box img").evaluate_all(
        "all => all.map(one => new DOMMatrix(getComputedStyle(one).transform).a)"
    )
    assert scales == pytest.approx([4 * 32 / box.evaluate("box => box.clientWidth")] * len(scales)), "4 to each of 32"
    follow(hero.get_by_role("link", name="all methods on this face"))
    assert "image.html" in page.url


def test_a_search_holds_in_every_leaderboard(visit: Visit) -> None:
    page = visit.page
    fields = page.get_by_label("Filter rows")
    fields.first.fill("perfect")
    for field in fields.all():
        assert field.input_value() == "perfect"
    sync_api.expect(page.locator(".leaderboard tbody th .label")).to_have_count(fields.count())


def test_what_is_pinned_and_which_columns_are_shown_holds_in_every_leaderboard(browser: Any, tmp_path: Path) -> None:
    values = {"a": {"psnr": 20.0, "ssim": 0.5}, "b": {"psnr": 21.0, "ssim": 0.6}}
    for protocol in ("one-x8", "two-x8"):
        for label in ("bicubic", "other"):
            write_result(tmp_path, manifest(label, protocol=protocol, total=2), scored(values))
    visit = Visit(browser, viewport={"width": 1280, "height": 900})
    page = visit.page
    page.goto(build(tmp_path).as_uri())
    assert page.locator("nav.contents a").all_inner_texts() == ["one-x8 sparnet", "two-x8 sparnet"]
    page.get_by_role("button", name="pin bicubic").first.click()
    assert (
        page.locator("tr.pinned").count() == 2 and page.locator(".delta").all_inner_texts() == ["±0.00", "±0.0000"] * 2
    )
    page.locator(".board-tools summary").first.click()
    page.locator(".board-tools").first.get_by_label("SSIM").uncheck()
    headers = page.locator("table.leaderboard thead th", has_text="SSIM")
    assert headers.count() == 2 and not any(header.is_visible() for header in headers.all())
    page.get_by_role("button", name="pin bicubic").nth(1).click()
    assert page.locator("tr.pinned").count() == 0
    visit.check()
    page.close()
