"""The page of `facesr-bench check --html` as somebody opens it on a phone from a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.report.gate.formats import Report
from facesr_bench.report.gate.page import write_page
from facesr_bench.results.gate.judge import judge
from facesr_bench.results.gate.policy import Policy
from tests.browser.conftest import HOSTILE, Visit
from tests.gate_sides import noisy


@pytest.fixture
def page(tmp_path: Path) -> Path:
    answer = judge(*noisy(np.random.default_rng(1), 30, sd=0.1, loss=0.5), Policy())
    write_page(tmp_path / "check.html", Report([answer], answer.verdict.status, HOSTILE[0]))
    return tmp_path / "check.html"


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_verdict_of_a_metric_is_in_sight_without_scrolling_sideways(
    browser: Any, page: Path, width: int, scheme: str
) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.page.goto(page.as_uri())
    (verdict,) = visit.page.get_by_role("row").filter(has_text="PSNR").get_by_role("cell").filter(has_text="regr").all()
    box = verdict.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    titles = visit.page.evaluate("[...document.querySelectorAll('.gate td')].map(td => td.dataset.title)")
    heads = visit.page.evaluate("[...document.querySelectorAll('.gate thead th')].map(th => th.textContent)")
    assert titles == heads[1:]
    visit.check()
    visit.page.close()
