"""Search over methods, leaderboards and images, from any page, by keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import HOSTILE, Visit
from tests.browser.test_accessibility import RUN, axe  # noqa: F401  # a fixture

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


def test_a_slash_goes_to_the_field_and_enter_opens_what_is_chosen(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search methods and images")
    sync_api.expect(field).to_be_focused()
    page.keyboard.type("bicub")
    options = page.locator(".find [role=option]")
    sync_api.expect(options).to_have_count(1)
    sync_api.expect(field).to_have_attribute("aria-expanded", "true")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/methods/bicubic.html")
    assert page.locator("h1").inner_text() == "bicubic"


def test_an_image_is_found_from_a_methods_page(visit: Visit, index: Path) -> None:
    page = visit.page
    page.goto((index.parent / "site/methods/bicubic.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("50%")
    option = page.locator(".find [role=option]", has_text=HOSTILE[2])
    sync_api.expect(option).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/image.html*")
    sync_api.expect(page.locator("h1")).to_have_text(HOSTILE[2])


def test_arrows_choose_and_escape_closes(visit: Visit) -> None:
    page = visit.page
    field = page.get_by_role("combobox", name="Search methods and images")
    field.fill("script")
    options = page.locator(".find [role=option]")
    sync_api.expect(options).to_have_count(2)  # a method and an image are called so
    assert [option.get_attribute("aria-selected") for option in options.all()] == ["true", "false"]
    page.keyboard.press("ArrowDown")
    assert [option.get_attribute("aria-selected") for option in options.all()] == ["false", "true"]
    page.keyboard.press("Escape")
    sync_api.expect(options.first).to_be_hidden()
    assert field.get_attribute("aria-expanded") == "false"
    field.fill("there is no such thing")
    sync_api.expect(page.locator(".find [role=status]")).to_have_text("nothing found")


def test_axe_finds_nothing_serious_where_something_was_found(browser: Any, index: Path, axe: str) -> None:  # noqa: F811
    visit = Visit(browser, bypass_csp=True)
    visit.page.goto(index.as_uri())
    visit.page.get_by_role("combobox", name="Search methods and images").fill("c")
    sync_api.expect(visit.page.locator(".find [role=option]").first).to_be_visible()
    visit.page.evaluate(axe)
    assert [each for each in visit.page.evaluate(RUN) if each["impact"] in {"serious", "critical"}] == []
    visit.check()
    visit.page.close()
