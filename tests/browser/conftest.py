"""A real browser, and results to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.base.files import file_name, write_json
from facesr_bench.images.maps import write_map
from facesr_bench.report.site import build
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import FOLDER, MEAN, Result
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, write_result

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = ["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "50% #1?.png"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        yield chromium
        chromium.close()


METHODS = {"bicubic": 20.0, "perfect": float("inf"), HOSTILE[0]: 9.5, HOSTILE[1]: 24.0}
"""PSNR of the first image, by label; one more for each next image."""


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of four methods on three images with hostile names, and one method that did not run."""
    root = tmp_path_factory.mktemp("results #1 100%")
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    for number, (label, base) in enumerate(METHODS.items()):
        card = manifest(label, metrics=metrics)
        card["method"]["cost"] = {"image": 32, "flops": 1e9 * number or None, "peak_memory": None}
        rows = [
            ImageRecord(
                image_id, {"psnr": base + i, "ssim": 0.5 + 0.1 * number}, {"psnr": 1, "ssim": 1}, ms=1.0 + number
            )
            for i, image_id in enumerate(HOSTILE)
        ]
        for row in rows:
            row.reasons["lpips"] = "needs weights `lpips-alex`"
        if label == "bicubic":
            rows[2] = ImageRecord(HOSTILE[2], error="no such <face>")
        result = write_result(root, card, rows, pictures=True, noise=4 * number)
        if label == HOSTILE[1]:
            keep_attention(result)
        if label == "perfect":
            keep_lpips(result)
    points = {image_id: [[8.0, 10.0], [24.0, 10.0], [16.0, 24.0]] for image_id in HOSTILE}
    write_json(result.inputs_folder / "landmarks.json", points)
    write_result(root, manifest("broken", metrics=metrics, error="no weights"), [])
    return build(root)


def keep_attention(result: Result) -> None:
    for name in (MEAN, *(file_name(image_id) for image_id in HOSTILE)):
        for unit in (1, 2):
            path = result.folder / FOLDER / name / f"{unit}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 60 * unit, np.uint8)).save(path)


def keep_lpips(result: Result) -> None:
    for image_id in HOSTILE:
        path = result.metric_map_path("lpips", image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_map(path, np.full((32, 32), 0.25, np.float32))


class Visit:
    """A page and all that went wrong on it."""

    def __init__(self, browser: Any, server: str = "", **options: Any) -> None:
        self.page = browser.new_page(**options)
        self._places = ("file:", "data:", *([server] if server else []))
        self.page.set_default_timeout(30_000)  # a busy machine is not a fault of the page
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("requestfailed", self._note_failure)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note_failure(self, request: Any) -> None:
        # Leaving a page aborts the pictures it was still loading: no fault of the page.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.problems.append(f"failed: {request.url}: {request.failure}")

    def _dismiss(self, dialog: Any) -> None:
        self.problems.append(dialog.message)
        dialog.dismiss()

    def check(self) -> None:
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith(self._places)] == []


def follow(link: Any) -> None:
    """Click what leads to another page, and wait until that is there: on a busy machine it isn't at once."""
    with link.page.expect_navigation():
        link.click()


@pytest.fixture
def visit(browser: Any, index: Path) -> Iterator[Visit]:
    """The first page, opened from disk; what goes wrong on the pages visited fails the test."""
    visit = Visit(browser, viewport={"width": 1280, "height": 900})
    visit.page.goto(index.as_uri())
    yield visit
    visit.check()
    visit.page.close()


@pytest.fixture(scope="session")
def board(index: Path) -> Path:
    """The folder of the pages of the only protocol and profile."""
    return next((index.parent / "site/boards").glob("*/*"))
