"""What was drawn to degrade an image stands on its page, and follows the reader from image to image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.site import build
from facesr_bench.results.samples import SampleRecord, Samples
from tests.browser.conftest import HOSTILE, Visit
from tests.report_fixtures import manifest, scored, write_result

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")


def test_what_was_drawn_follows_the_reader(browser: Any, tmp_path: Path) -> None:
    card = manifest("bicubic", metrics=None)
    result = write_result(tmp_path, card, scored({"a": {"psnr": 20.0}, "b": {"psnr": 21.0}}), pictures=True)
    samples = Samples(result.inputs_folder)
    samples.add(
        SampleRecord("a", degradation={"blur": HOSTILE[0], "sigma_x": 1 / 3, "jitter": [["hue", 0.1]], "on": True})
    )
    samples.add(SampleRecord("b"))
    samples.close()
    build(tmp_path)
    (page_file,) = tmp_path.rglob("image.html")
    visit = Visit(browser)
    page = visit.page
    page.goto(f"{page_file.as_uri()}#image=a")
    drawn = page.locator("#drawn")
    sync_api.expect(drawn).to_have_text(
        f"Degraded by pillow-bicubic: blur {HOSTILE[0]}, sigma x 0.3333, jitter ((hue 0.1)), on yes"
    )
    page.get_by_role("button", name="Next").click()
    sync_api.expect(drawn).to_be_hidden()
