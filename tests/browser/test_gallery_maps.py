"""Which map stands below the pictures of a gallery, and what its pixels are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.images.maps import hex_colours
from tests.browser.conftest import Visit
from tests.browser.test_viewer import PIXEL

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


@pytest.fixture
def gallery(visit: Visit, board: Path) -> Any:
    visit.page.goto((board / "1.html").as_uri())
    yield visit.page
    visit.page.evaluate("localStorage.clear()")


def figure(page: Any, method: str, image: int = 0) -> Any:
    """What one method made of an image."""
    labelled = page.locator("figcaption .label", has_text=method)
    return page.locator("article.plate").nth(image).locator("figure", has=labelled)


def test_another_map_takes_the_place_of_the_psnr_map(gallery: Any) -> None:
    kinds = gallery.get_by_role("group", name="Map")
    sync_api.expect(kinds.locator("label")).to_have_text(["PSNR map", "SSIM map", "LPIPS map"])
    assert kinds.get_by_label("PSNR map").is_checked() and gallery.locator("main canvas").count() == 0
    kinds.get_by_label("LPIPS map").check()
    perfect, bicubic = figure(gallery, "perfect"), figure(gallery, "bicubic")
    canvas = perfect.locator("canvas")
    sync_api.expect(canvas).to_be_visible()
    assert canvas.get_attribute("aria-label").startswith("LPIPS map of perfect on ")
    colours = [[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in hex_colours(64)]
    # The map that was kept is 0.25 everywhere, on a scale that ends at 1.
    assert gallery.evaluate(PIXEL, [canvas.element_handle(), 5, 5])[:3] in (colours[15], colours[16])
    sync_api.expect(bicubic.locator(".blank")).to_have_text("no LPIPS map")
    assert not perfect.locator("img.map").is_visible()
    assert "LPIPS" in gallery.locator("#map-scale p").inner_text()
    assert gallery.locator("#map-scale .ticks span").all_inner_texts() == ["0.00", "0.50", "1.00 and worse"]
    kinds.get_by_label("PSNR map").check()
    sync_api.expect(perfect.locator("img.map")).to_be_visible()
    assert gallery.locator("main canvas").count() == 0
    assert "dB" in gallery.locator("#map-scale .ticks").inner_text()


def test_a_chosen_map_holds_for_sorted_images_and_the_next_page(gallery: Any, board: Path) -> None:
    gallery.get_by_role("radio", name="SSIM map").check()
    gallery.get_by_label("Sort by").select_option(label="PSNR")
    sync_api.expect(figure(gallery, "perfect").locator("canvas")).to_be_visible()
    gallery.goto((board / "1.html").as_uri())
    assert gallery.get_by_role("radio", name="SSIM map").is_checked()
    sync_api.expect(figure(gallery, "perfect").locator("canvas")).to_be_visible()


def test_a_pixel_of_a_map_is_read_where_it_is_a_picture(gallery: Any) -> None:
    """The PSNR map of a gallery is a part of a picture of several: its numbers are loaded when it is looked at."""
    shown = figure(gallery, "bicubic", 1).locator("img.map")
    shown.scroll_into_view_if_needed()
    area = shown.bounding_box()
    place = area["x"] + area["width"] * 10.5 / 32, area["y"] + area["height"] * 4.5 / 32
    gallery.mouse.move(*place)
    sync_api.expect(gallery.locator("#readout")).to_contain_text("x 10, y 4 · PSNR map ")
    sync_api.expect(gallery.locator("#readout")).to_contain_text("dB")
    # The same place of the picture above it says the same of the map.
    told = gallery.locator("#readout").inner_text().split(" · ")[-1]
    above = figure(gallery, "bicubic", 1).locator("img:not(.map)").bounding_box()
    gallery.mouse.move(above["x"] + above["width"] * 10.5 / 32, above["y"] + above["height"] * 4.5 / 32)
    sync_api.expect(gallery.locator("#readout")).to_contain_text(told)


@pytest.mark.parametrize("where", ["index", "method"])
def test_maps_are_read_on_every_page_that_shows_one(visit: Visit, index: Path, where: str) -> None:
    page = visit.page
    if where == "method":
        page.goto((index.parent / "site/methods/bicubic.html").as_uri())
        mean = page.locator(".means img").first
        mean.scroll_into_view_if_needed()
        mean.hover()
        sync_api.expect(page.locator("#readout")).to_contain_text("mean PSNR map ")
    shown = page.locator("article.plate img.map").first
    shown.scroll_into_view_if_needed()
    shown.hover()
    sync_api.expect(page.locator("#readout")).to_contain_text("· PSNR map ")


def test_without_scripts_the_psnr_map_is_there_and_no_choice(browser: Any, board: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((board / "1.html").as_uri())
    assert page.locator("img.map").first.is_visible() and not page.locator("#map-kinds").is_visible()
    context.close()
