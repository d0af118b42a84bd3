"""What lies where: nothing beside, over or outside of what it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_viewer import wait


def test_the_heading_stands_below_the_navigation(visit: Visit, index: Path) -> None:
    page = visit.page
    for path in (index, *sorted((index.parent / "site").rglob("*.html"))):
        page.goto(path.as_uri())
        top, heading = (page.locator(name).bounding_box() for name in ("nav.top", "header.masthead"))
        assert top["y"] + top["height"] <= heading["y"] and top["x"] == heading["x"], path


@pytest.mark.parametrize("width", [360, 1280])
def test_a_pair_of_pictures_is_shown_whole_and_square(browser: Any, board: Path, width: int) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 740})
    page = visit.page
    for name in ("image.html", "mean.html"):
        page.goto((board / name).as_uri())
        wait(page, "error")
        views = ["#slider", "#picture-a", "#picture-b", "#versus"] if name == "image.html" else ["#versus"]
        boxes = [page.locator(view).bounding_box() for view in views]
        for box in boxes:
            assert box["width"] == box["height"] == boxes[0]["width"], (name, boxes)
            assert box["width"] % 32 == 0 and box["x"] + box["width"] <= width, (name, boxes)
        page.set_viewport_size({"width": 300, "height": 740})
        page.wait_for_function("document.querySelector('#versus').getBoundingClientRect().right <= 300")
        page.set_viewport_size({"width": width, "height": 740})
    visit.check()
    visit.page.close()


def test_the_method_stays_in_sight_when_a_leaderboard_is_scrolled(browser: Any, index: Path) -> None:
    visit = Visit(browser, viewport={"width": 400, "height": 740})
    visit.page.goto(index.as_uri())
    region = visit.page.locator(".scroll", has=visit.page.locator("table.leaderboard"))
    label = visit.page.locator("table.leaderboard tbody th").first
    before = label.bounding_box()["x"]
    region.evaluate("region => { region.scrollLeft = 1000; }")
    assert region.evaluate("region => region.scrollLeft") > 50 and label.bounding_box()["x"] == before
    visit.check()
    visit.page.close()


def test_what_no_method_has_a_number_of_is_not_missed_on_every_image(visit: Visit, board: Path) -> None:
    page = visit.page
    page.goto((board / "1.html").as_uri())
    assert "LPIPS" not in page.get_by_label("Sort by").inner_text()
    page.get_by_label("Show").select_option("without some number")
    assert page.locator("article").count() == 1, "one image failed with one method; LPIPS ran with none"
    page.goto((board / "image.html").as_uri())
    wait(page, "error")
    assert "LPIPS" not in page.locator("#all").inner_text()


def test_a_leaderboard_is_set_tighter_on_paper(visit: Visit) -> None:
    visit.page.emulate_media(media="print")
    cell = visit.page.locator("table.leaderboard tbody td").first
    assert cell.evaluate("cell => getComputedStyle(cell).paddingLeft") == "9.6px"
