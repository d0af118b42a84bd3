"""The keyboard alone: what has the focus is seen, in the order of the page, and nothing holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_accessibility import kinds

FOCUSED = """() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  // A choice of several is drawn by the text beside it; a point of the scatter by its circle.
  const seen = at.matches(".zoom input") ? at.nextElementSibling : at;
  const target = at.querySelector(":scope > .target");
  const [style, ring] = [getComputedStyle(seen), target && getComputedStyle(target)];
  const area = seen.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const marked = outlined || (ring && ring.stroke !== "none");
  const all = [...document.querySelectorAll("*")];
  return {
    place: all.indexOf(at),
    marked: Boolean(marked),
    inSight: area.bottom > 0 && area.top < innerHeight && area.right > 0 && area.left < innerWidth && area.width > 0,
    html: at.outerHTML.slice(0, 120),
  };
}"""

MOST = 45


@pytest.mark.parametrize("width", [1280, 390])
def test_the_focus_is_seen_and_goes_down_the_page(browser: Any, index: Path, board: Path, width: int) -> None:
    for kind, path in kinds(index, board).items():
        visit = Visit(browser, viewport={"width": width, "height": 800})
        page = visit.page
        page.goto(path.as_uri())
        if kind in {"image", "mean"}:
            page.locator("body[data-drawn]").wait_for(state="attached")
        places: list[int] = []
        for _ in range(MOST):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at is None:
                break  # the last one was passed
            assert at["marked"] and at["inSight"], (kind, at)
            places.append(at["place"])
        assert len(places) > 5, kind
        assert places == sorted(set(places)), (kind, "the focus goes back, or stays")
        visit.check()
        page.close()


def test_the_skip_link_leads_past_the_navigation(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_nothing_moves_by_itself(visit: Visit, index: Path, board: Path) -> None:
    """So that whoever asks for less motion has none to lose."""
    for path in kinds(index, board).values():
        visit.page.goto(path.as_uri())
        assert visit.page.evaluate("document.getAnimations().length") == 0
        moving = (
            "[...document.querySelectorAll('*')].filter((each) => getComputedStyle(each).transitionDuration !== '0s')"
        )
        assert visit.page.evaluate(f"{moving}.length") == 0
