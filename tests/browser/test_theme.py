"""Light and dark: as the system has it, until a reader chooses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit

LIGHT, DARK = "rgb(252, 251, 248)", "rgb(20, 21, 22)"


@pytest.fixture(params=["light", "dark"])
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def themed(browser: Any, index: Path, system: str) -> Iterator[Visit]:
    visit = Visit(browser, color_scheme=system)
    visit.page.goto(index.as_uri())
    yield visit
    visit.check()
    visit.page.close()


def assert_looks(page: Any, colour: str, scheme: str) -> None:
    """The page's colour, and that of the browser's own controls; a browser paints a change when it gets to it."""
    page.wait_for_function(
        """([colour, scheme]) => getComputedStyle(document.body).backgroundColor === colour
          && getComputedStyle(document.documentElement).colorScheme === scheme""",
        arg=[colour, scheme],
        timeout=10_000,
    )


LOOKS = {"light": (LIGHT, "light"), "dark": (DARK, "dark")}


def test_a_choice_is_kept_from_page_to_page(themed: Visit, system: str, board: Path) -> None:
    page, other = themed.page, "dark" if system == "light" else "light"
    assert_looks(page, *LOOKS[system])
    page.get_by_role("button", name=f"{other.capitalize()} colours").focus()
    page.keyboard.press("Enter")
    assert_looks(page, *LOOKS[other])
    page.goto((board / "image.html").as_uri())
    assert_looks(page, *LOOKS[other])
    page.emulate_media(color_scheme=other)
    page.emulate_media(color_scheme=system)
    assert page.get_by_role("button", name=f"{system.capitalize()} colours").is_visible(), "what was chosen stays"
    assert_looks(page, *LOOKS[other])


def test_choosing_what_the_system_has_follows_it_again(themed: Visit, system: str) -> None:
    page, other = themed.page, "dark" if system == "light" else "light"
    for name in (other, system):
        page.get_by_role("button", name=f"{name.capitalize()} colours").click()
    assert_looks(page, *LOOKS[system])
    page.emulate_media(color_scheme=other)
    assert_looks(page, *LOOKS[other])
    assert page.get_by_role("button", name=f"{system.capitalize()} colours").is_visible()
    page.reload()
    assert_looks(page, *LOOKS[other])


def test_without_storage_the_choice_holds_for_the_page(browser: Any, index: Path) -> None:
    visit = Visit(browser, color_scheme="light")
    denied = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    visit.page.add_init_script(denied)
    visit.page.goto(index.as_uri())
    visit.page.get_by_role("button", name="Dark colours").click()
    assert_looks(visit.page, *LOOKS["dark"])
    visit.check()
    visit.page.close()


def test_paper_is_white_whatever_was_chosen(themed: Visit, system: str) -> None:
    page = themed.page
    if system == "light":
        page.get_by_role("button", name="Dark colours").click()
    page.emulate_media(media="print")
    assert_looks(page, "rgb(255, 255, 255)", "light")
    assert not page.get_by_role("button", name="Light colours").is_visible()
