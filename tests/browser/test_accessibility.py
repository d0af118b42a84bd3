"""axe-core finds no serious violation on any kind of page, light, dark and on a phone.

axe-core (MPL-2.0) comes inside axe-playwright-python, from the extra `test`; it is no part of the project.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit

RUN = """() => axe.run(document, { resultTypes: ["violations"], preload: false }).then((found) => found.violations.map(
  ({ id, impact, nodes }) => ({ id, impact, at: nodes.slice(0, 3).map((node) => node.html) })))"""


@pytest.fixture(scope="session")
def axe() -> str:
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None and package.origin is not None, "pip install -e '.[test]'"
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def kinds(index: Path, board: Path) -> dict[str, Path]:
    return {
        "overview": index,
        "gallery": board / "1.html",
        "image": board / "image.html",
        "mean": board / "mean.html",
        "plots": board / "plots.html",
        "method": next((index.parent / "site/methods").glob("*script*.html")),
        "provenance": index.parent / "site/provenance.html",
    }


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 740}},
    ],
    ids=["light", "dark", "phone"],
)
def test_no_serious_violation(browser: Any, index: Path, board: Path, axe: str, look: dict[str, Any]) -> None:
    found = {}
    for kind, path in kinds(index, board).items():
        visit = Visit(browser, bypass_csp=True, **look)  # axe is run in the page, which its policy forbids
        visit.page.goto(path.as_uri())
        if kind in {"image", "mean"}:
            visit.page.locator("body[data-drawn]").wait_for(state="attached")
        for details in visit.page.locator("details").all():
            details.evaluate("details => { details.open = true; }")
        visit.page.evaluate(axe)
        violations = visit.page.evaluate(RUN)
        found[kind] = [each for each in violations if each["impact"] in {"serious", "critical"}]
        visit.check()
        visit.page.close()
    assert not any(found.values()), json.dumps({k: v for k, v in found.items() if v}, indent=1)
