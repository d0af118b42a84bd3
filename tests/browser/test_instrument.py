"""The page of one image as an instrument: attention, what a pixel is worth, keys, and the truth in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.images import maps
from tests.browser.conftest import HOSTILE, Visit, follow
from tests.browser.test_viewer import PIXEL, wait

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


@pytest.fixture
def viewer(visit: Visit, board: Path) -> Any:
    """The page of the first image."""
    visit.page.goto((board / "image.html").as_uri())
    wait(visit.page, "error")
    attention(visit.page, "1")
    return visit.page


def attention(page: Any, unit: str) -> None:
    """Until the maps of this unit are drawn."""
    page.locator(f"body[data-attention$=' {unit}']").wait_for(state="attached")


def test_a_slider_goes_over_the_attention_units_in_the_colours_of_their_values(viewer: Any) -> None:
    words = viewer.locator("#attention-unit-words")
    assert words.inner_text() == "1 of 2: encoder, 8 × 8 px, up to 0.24"  # noqa: RUF001
    slider = viewer.get_by_label("Unit", exact=True)
    slider.focus()
    viewer.keyboard.press("ArrowRight")
    attention(viewer, "2")
    assert words.inner_text() == "2 of 2: body, 8 × 8 px, up to 0.47"  # noqa: RUF001
    top = tuple(int(maps.hex_colours(64)[-1][i : i + 2], 16) for i in (1, 3, 5))
    for name in ("attention-map", "attention-mean"):
        canvas = viewer.locator(f"#{name}").element_handle()
        assert canvas.evaluate("canvas => canvas.width") == 8, "the unit's own resolution"
        assert tuple(viewer.evaluate(PIXEL, [canvas, 4, 4])[:3]) == top, (
            "a constant map is its largest value everywhere"
        )
    viewer.locator(".thumbs button").first.click()
    attention(viewer, "1")


def test_attention_stands_beside_the_same_methods_map(viewer: Any) -> None:
    assert viewer.get_by_label("Method", exact=True).locator("option").all_inner_texts() == [HOSTILE[1]]
    other = viewer.locator("#attention-views canvas[data-of]")
    viewer.wait_for_function("document.querySelector('#attention-views canvas[data-of]').width === 32")
    own = viewer.locator(f"#all canvas[data-method='{other.get_attribute('data-of')}']")
    assert own.evaluate("canvas => canvas.toDataURL()") == other.evaluate("canvas => canvas.toDataURL()")


def test_the_mean_page_shows_mean_attention(visit: Visit, board: Path) -> None:
    visit.page.goto((board / "mean.html").as_uri())
    attention(visit.page, "1")
    assert visit.page.locator("#attention-mean").is_visible() and visit.page.locator("#attention-map").count() == 0


def test_arrow_keys_go_from_image_to_image_but_not_out_of_fields(viewer: Any) -> None:
    title = viewer.locator("h1")
    first = title.inner_text()
    viewer.keyboard.press("ArrowRight")
    sync_api.expect(viewer.locator("#position")).to_have_value("2")
    sync_api.expect(title).not_to_have_text(first)
    viewer.locator("#cut").focus()
    viewer.keyboard.press("ArrowRight")
    sync_api.expect(viewer.locator("#cut")).to_have_value("51")
    sync_api.expect(viewer.locator("#position")).to_have_value("2")
    viewer.locator("#cut").blur()
    for _ in range(3):
        viewer.keyboard.press("ArrowLeft")
    sync_api.expect(viewer.locator("#position")).to_have_value("1")
    sync_api.expect(title).to_have_text(first)


def test_a_pixel_is_read_out_with_its_place_and_value(viewer: Any) -> None:
    canvas = viewer.locator("#all canvas[data-method='1']")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    viewer.mouse.move(box["x"] + 16.5 * box["width"] / 32, box["y"] + 20.5 * box["height"] / 32)
    readout = viewer.locator("#readout")
    sync_api.expect(readout).to_contain_text("x 16, y 20")
    assert "PSNR map" in readout.inner_text() and "dB" in readout.inner_text()
    picture = viewer.locator("#all figure:has(canvas[data-method='1']) img").bounding_box()
    on_map = readout.inner_text()
    viewer.mouse.move(picture["x"] + 16.5 * picture["width"] / 32, picture["y"] + 20.5 * picture["height"] / 32)
    sync_api.expect(readout).to_have_text(on_map, timeout=5000)
    viewer.mouse.move(2, 2)
    sync_api.expect(readout).to_be_hidden()
    view = viewer.locator("#attention-mean")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    viewer.mouse.move(box["x"] + box["width"] - 1, box["y"] + 1)
    sync_api.expect(readout).to_have_text("x 7, y 0 · attention 0.24")


@pytest.mark.parametrize("width", [390, 768])
def test_the_ground_truth_stays_in_sight_at_every_zoom(browser: Any, board: Path, width: int) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 740})
    visit.page.goto((board / "image.html").as_uri())
    wait(visit.page, "error")
    truth, strip = visit.page.locator("#all .truth img"), visit.page.locator(".scroll", has=visit.page.locator("#all"))
    for zoom in ("1", "4"):
        visit.page.locator(f"#controls .zoom label:has(input[value='{zoom}'])").click()
        for place in (0, 10_000):
            strip.evaluate("(strip, place) => { strip.scrollLeft = place; }", place)
            box = truth.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, (zoom, place, box)
    visit.check()
    visit.page.close()


def test_numbers_stand_under_their_names_on_one_row_of_labels(visit: Visit, board: Path) -> None:
    page = visit.page
    for name in ("1.html", "image.html"):
        page.goto((board / name).as_uri())
        if name == "image.html":
            wait(page, "error")
        strip = page.locator(".strip.lined").first
        names = {item.inner_text(): item.bounding_box()["y"] for item in strip.locator(".names li").all()}
        assert list(names) == ["PSNR", "SSIM"]
        for row in strip.locator("dl").all():
            lines = [cell.bounding_box()["y"] for cell in row.locator("dd").all()]
            assert lines == pytest.approx(list(names.values()), abs=1)
        labels = {label.bounding_box()["y"] for label in strip.locator("figcaption .label").all()}
        assert len(labels) == 1, "one row of labels"


def test_pictures_of_the_gallery_open_their_image(visit: Visit, board: Path) -> None:
    page = visit.page
    page.goto((board / "1.html").as_uri())
    article = page.locator("article").nth(1)
    title = article.locator("h2 .label").inner_text()
    follow(article.locator("figure img").nth(1))
    wait(page, "error")
    assert page.locator("h1").inner_text() == title
    page.goto((board / "1.html").as_uri())
    page.get_by_label("Sort by").select_option("PSNR")
    article = page.locator("article").first
    title = article.locator("h2 .label").inner_text()
    follow(article.locator("figure img").nth(1))
    wait(page, "error")
    assert page.locator("h1").inner_text() == title, "of sorted images too"
