"""One image in a real browser: the slider, the error maps, one method against another; and the mean over the set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.images import maps
from facesr_bench.report.site import build
from facesr_bench.results.image_record import ImageRecord
from tests.browser.conftest import HOSTILE, Visit, follow
from tests.report_fixtures import manifest, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

PIXEL = """([canvas, x, y]) => {
  const copy = document.createElement("canvas");
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, -x, -y);
  return [...context.getImageData(0, 0, 1, 1).data];
}"""


@pytest.fixture
def viewer(visit: Visit) -> Any:
    """The page of the second image, reached as a reader does."""
    page = visit.page
    follow(page.locator("article h3 a").nth(1))
    wait(page, "error")
    return page


def canvases(page: Any) -> list[Any]:
    return [handle for handle in page.locator("canvas[data-method]").element_handles() if handle]


def wait(page: Any, drawn: str) -> None:
    """Until the maps of this kind, image or pair are drawn."""
    page.locator(f"body[data-drawn*='{drawn}']").wait_for(state="attached")


def test_it_shows_the_image_that_was_chosen(viewer: Any) -> None:
    title = viewer.locator("h1").inner_text()
    assert title in HOSTILE and viewer.locator("#position").input_value() == "2"
    for picture in viewer.locator("#all img").all():
        picture.evaluate("async image => { await image.decode(); }")
    assert viewer.locator("#all figure").count() == 6, "input, four methods, ground truth"
    viewer.get_by_role("button", name="Next").click()
    sync_api.expect(viewer.locator("#position")).to_have_value("3")
    sync_api.expect(viewer.locator("h1")).not_to_have_text(title)
    viewer.go_back(wait_until="load")
    assert viewer.locator("table.leaderboard").count() == 1, "steps from image to image don't pile up"


def test_maps_are_the_colours_of_the_errors(viewer: Any, board: Path) -> None:
    """A pixel of the canvas against the codes on disk, by the one scale of all methods."""
    viewer.goto((board / "image.html").as_uri())
    wait(viewer, "error")
    drawn = [handle for handle in canvases(viewer) if handle.evaluate("canvas => canvas.width") == 32]
    assert len(drawn) == 4
    colours = {tuple(viewer.evaluate(PIXEL, [handle, 16, 16])[:3]) for handle in drawn}
    known = {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in maps.hex_colours(64)}
    assert colours <= known and len(colours) > 1
    words = viewer.locator("#bar").get_attribute("aria-label")
    assert "dB" in words and viewer.locator("#bar .ticks span").count() == 3


def test_switching_the_error_map(viewer: Any) -> None:
    before = viewer.evaluate("document.querySelector('canvas[data-method]').toDataURL()")
    viewer.get_by_label("SSIM map").check()
    wait(viewer, "ssim")
    canvas = canvases(viewer)[0]
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    assert viewer.evaluate(PIXEL, [canvas, 0, 0])[3] == 0, "the window of SSIM doesn't reach the corner"
    assert viewer.evaluate(PIXEL, [canvas, 16, 16])[3] == 255
    viewer.get_by_label("LPIPS map").check()
    wait(viewer, "map:lpips")
    sizes = [handle.evaluate("canvas => canvas.width") for handle in canvases(viewer)]
    assert sorted(sizes) == [1, 1, 1, 32], "only one method's were kept"
    assert "map=map%3Alpips" in viewer.url
    viewer.reload()
    wait(viewer, "map:lpips")


def test_the_slider_moves_by_key_and_by_pointer(viewer: Any) -> None:
    slider = viewer.locator("#cut")
    slider.focus()
    viewer.keyboard.press("Home")
    clip = "getComputedStyle(document.getElementById('picture-a')).clipPath"
    # The browser answers a key press before the page has seen it, so what it does is waited for.
    viewer.wait_for_function("document.getElementById('slider').style.getPropertyValue('--cut') === '0%'")
    hidden = viewer.evaluate(clip)
    for _ in range(3):
        viewer.keyboard.press("ArrowRight")
    sync_api.expect(slider).to_have_value("3")
    assert viewer.evaluate(clip) != hidden
    box = viewer.locator("#slider").bounding_box()
    viewer.mouse.move(box["x"] + 5, box["y"] + 5)
    viewer.mouse.down()
    viewer.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 5)
    viewer.mouse.up()
    sync_api.expect(slider).to_have_value(re.compile("^7[456]$"))
    assert re.search("7[456]", slider.get_attribute("aria-valuetext"))


def test_the_slider_shows_the_two_pictures_chosen(viewer: Any) -> None:
    viewer.get_by_label("A, left").select_option("Input")
    viewer.get_by_label("B, right").select_option("Ground truth")
    for which, folder in (("a", "/lr/"), ("b", "/hr/")):
        picture = viewer.locator(f"#picture-{which}")
        picture.evaluate("async image => { await image.decode(); }")
        assert folder in picture.get_attribute("src")
    boxes = [viewer.locator(f"#picture-{which}").bounding_box() for which in "ab"]
    assert boxes[0] == boxes[1] and boxes[0]["width"] % 32 == 0, "the same scale, whole pixels"
    assert not viewer.locator("#versus").is_visible(), "only methods can be compared"


def test_one_method_against_another(viewer: Any) -> None:
    viewer.get_by_label("A, left").select_option("bicubic")
    viewer.get_by_label("B, right").select_option(HOSTILE[1])
    wait(viewer, "error")
    words = viewer.locator("#versus-words")
    sync_api.expect(words).to_contain_text("bicubic is better")
    assert HOSTILE[1] in words.inner_text() and "% of the pixels" in words.inner_text()
    first = words.inner_text()
    viewer.get_by_label("A, left").select_option(HOSTILE[1])
    viewer.get_by_label("B, right").select_option("bicubic")
    sync_api.expect(words).to_contain_text(f"{HOSTILE[1]} is better")

    def shares(text: str) -> list[str]:
        return [word for word in text.split() if word.isdecimal()]

    assert shares(words.inner_text())[:2] == shares(first)[1::-1], "turned round"


def test_an_image_that_failed_says_so(viewer: Any, board: Path) -> None:
    from urllib.parse import urlencode

    viewer.goto("about:blank")
    viewer.goto(f"{(board / 'image.html').as_uri()}#{urlencode({'image': HOSTILE[2], 'a': 'bicubic', 'b': 'perfect'})}")
    wait(viewer, "error")
    assert viewer.locator("h1").inner_text() == HOSTILE[2]
    assert viewer.get_by_text("failed: no such <face>").is_visible()
    assert not viewer.locator("#picture-a").is_visible() and not viewer.locator("#versus").is_visible()


def test_mean_maps_carry_the_mean_landmarks(visit: Visit, board: Path) -> None:
    page = visit.page
    page.goto((board / "mean.html").as_uri())
    wait(page, "error")
    assert page.locator("#all canvas").count() == 4
    assert page.locator("#all .stack:first-child circle").count() == 4 * 3
    page.get_by_label("Mean landmarks").uncheck()
    assert not page.locator("#all circle").first.is_visible()
    page.get_by_label("Mean landmarks").check()
    dot = page.locator("#all circle").first
    assert dot.is_visible()
    assert (dot.get_attribute("cx"), dot.get_attribute("cy")) == ("8", "10")
    page.get_by_label("B", exact=True).select_option(HOSTILE[0])
    sync_api.expect(page.locator("#versus-words")).to_contain_text(HOSTILE[0])


def test_links_within_the_page_do_not_change_the_image(viewer: Any) -> None:
    title = viewer.locator("h1").inner_text()
    skip = viewer.get_by_role("link", name="Skip to the content")
    skip.focus()
    viewer.keyboard.press("Enter")
    viewer.wait_for_url("**#main")
    assert viewer.locator("h1").inner_text() == title


def test_without_ground_truth_pictures_are_compared_and_no_errors_shown(browser: Any, tmp_path: Path) -> None:
    write_result(tmp_path, manifest(source="lr", metrics={}, total=1), [ImageRecord("a", ms=1.0)], pictures=True)
    build(tmp_path)
    visit = Visit(browser)
    visit.page.goto(next(tmp_path.glob("site/boards/*/*/image.html")).as_uri())
    sides = [visit.page.get_by_label(name).locator("option:checked").inner_text() for name in ("A, left", "B, right")]
    assert sides == ["Input", "bicubic"]
    assert visit.page.locator("#all img").count() == 2 and visit.page.locator("canvas[data-method]").count() == 0
    assert not visit.page.locator("#versus").is_visible() and not visit.page.locator("#kinds").is_visible()
    visit.check()
    visit.page.close()
