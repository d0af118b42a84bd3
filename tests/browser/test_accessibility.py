"""axe-core finds no serious violation on any kind of page, light, dark and on a phone.

axe-core (MPL-2.0) comes from npm when the test runs; it is no part of the project. Skipped where npm can't get it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit

VERSION = "4.10.3"
RUN = """() => axe.run(document, { resultTypes: ["violations"], preload: false }).then((found) => found.violations.map(
  ({ id, impact, nodes }) => ({ id, impact, at: nodes.slice(0, 3).map((node) => node.html) })))"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    folder = tmp_path_factory.mktemp("axe")
    try:
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=180)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm can't get axe-core: {error}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        stream = archive.extractfile("package/axe.min.js")
        assert stream is not None
        return stream.read().decode()


def kinds(index: Path, board: Path) -> dict[str, Path]:
    return {
        "overview": index,
        "gallery": board / "1.html",
        "image": board / "image.html",
        "mean": board / "mean.html",
        "plots": board / "plots.html",
        "method": next((index.parent / "_site/methods").glob("__*script*.html")),
        "provenance": index.parent / "_site/provenance.html",
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
