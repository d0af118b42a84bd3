"""The gallery as it is linked to: sorted by what one method loses to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.site import build
from tests.browser.conftest import Visit, follow
from tests.report_fixtures import manifest, scored, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


@pytest.fixture
def losing(browser: Any, tmp_path: Path) -> Any:
    """Two methods; the better one loses on `b`, and by more on `d`."""
    better = {"a": 25.0, "b": 20.0, "c": 27.0, "d": 18.0}
    other = {"a": 20.0, "b": 21.0, "c": 20.0, "d": 21.5}
    for label, values in (("better & best", better), ("other", other)):
        found = {image_id: {"psnr": value, "ssim": 0.5} for image_id, value in values.items()}
        write_result(tmp_path, manifest(label, total=4), scored(found), pictures=True)
    visit = Visit(browser, viewport={"width": 1280, "height": 900})
    visit.page.goto(build(tmp_path).as_uri())
    yield visit.page
    visit.check()
    visit.page.close()


def shown(page: Any) -> list[str]:
    found: list[str] = page.locator("article h2 .label").all_inner_texts()
    return found


def test_from_a_leaderboard_to_where_its_best_loses_are_two_clicks(losing: Any) -> None:
    follow(losing.locator("table.leaderboard").get_by_role("link", name="better & best", exact=True))
    follow(losing.get_by_role("link", name="Images where it loses to other").first)
    sync_api.expect(losing.locator("article h2 .label").first).to_have_text("d")
    assert shown(losing) == ["d", "b", "a", "c"]
    assert "\N{MINUS SIGN}3.50" in losing.locator("article h2").first.inner_text()


def test_a_choice_is_in_the_address_and_comes_back_with_it(losing: Any) -> None:
    follow(losing.get_by_role("link", name="See all 4 images side by side"))
    losing.get_by_label("Sort by").select_option(label="PSNR")
    losing.get_by_label("Name contains").fill("b")
    assert shown(losing) == ["b"]
    address = losing.url
    losing.goto("about:blank")
    losing.goto(address)
    assert shown(losing) == ["b"] and losing.get_by_label("Name contains").input_value() == "b"
    losing.get_by_label("Name contains").fill("")
    assert shown(losing) == ["d", "b", "a", "c"]
    losing.get_by_label("Sort by").select_option(label="their order in the set")
    assert shown(losing) == ["a", "b", "c", "d"]
