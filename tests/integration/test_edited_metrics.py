"""A metric of one's own that is edited: its earlier values are no values of it, and stand beside no new ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest
from facesr_bench.results.store import read_results
from facesr_bench.results.summary import summarise

CARD = """
schema_version = 1
kind = "metric"
name = "mine"
title = "Mine"
summary = "What a file says, of each picture or of all."
version = 1
of = "{of}"
higher_is_better = true
unit = ""
range = [0, 1000]
needs = []
digits = 3
"""
OF_IMAGE = """
import json
from pathlib import Path
from facesr_bench import MetricBase

class Metric(MetricBase):
    def per_image(self, sr, reference):
        return FACTOR * float(json.loads((Path(__file__).parent / "settings.json").read_text()))
"""
OF_SET = """
import json
from pathlib import Path
import numpy as np
from facesr_bench import SetMetric, SetValue

class Metric(SetMetric):
    extractor = "mine-v1"

    def features(self, image):
        return np.full(2, FACTOR * float(json.loads((Path(__file__).parent / "settings.json").read_text())), np.float32)

    def of_set(self, sr, reference):
        return SetValue(float((sr + reference).mean() / 2))
"""


@pytest.fixture
def three(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "three"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(astronaut[9 * i : 9 * i + 64, 20:84]).save(folder / f"face{i}.png")
    return folder


def edited(path: Path, text: str) -> None:
    """Written anew with the same size and time: as an editor on a coarse clock leaves it."""
    before = path.stat() if path.exists() else None
    path.write_text(text)
    if before is not None and before.st_size == path.stat().st_size:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("of", ["image", "set"])
def test_an_edited_metric_is_computed_anew(tmp_path: Path, three: Path, of: str) -> None:
    metric = tmp_path / "mine"
    metric.mkdir()
    (metric / "card.toml").write_text(CARD.format(of=of))
    code = OF_IMAGE if of == "image" else OF_SET
    edited(metric / "metric.py", code.replace("FACTOR", "1"))
    edited(metric / "settings.json", "111\n")

    def run(limit: int | None = None, *methods: str) -> RunOutcome:
        asked = RunRequest(
            methods or ("bicubic", "nearest"),
            ("folder-x8",),
            {"folder-x8": three},
            out=tmp_path / "out",
            metrics=("psnr", str(metric)),
            limit=limit,
        )
        return runner.run(asked)

    def values(outcome: RunOutcome) -> list[float | None]:
        return [row.means.get("mine") for row in summarise(outcome.results)]

    assert values(run()) == [111, 111]
    assert run().computed == 0
    edited(metric / "settings.json", "222\n")
    again = run()
    assert values(again) == [222, 222] and again.computed == 6
    assert len(again.mended) == 2 and "its code was edited since 3 of its values were computed" in again.mended[0]
    assert run().computed == 0 and not run().mended
    edited(metric / "metric.py", code.replace("FACTOR", "2"))
    assert values(run()) == [444, 444]
    edited(metric / "metric.py", code.replace("FACTOR", "3"))
    assert run(2).computed == (4 if of == "image" else 6), "a value of a set is of all images that are there"
    if of == "image":
        (table,) = {tuple(row.means.get("mine") for row in summarise(read_results(tmp_path / "out").results))}
        assert set(table) == {666}, "none of the third image's, which earlier code has computed"
    assert values(run()) == [666, 666]


def test_a_built_in_metric_goes_by_its_version(tmp_path: Path, three: Path) -> None:
    outcome = runner.run(RunRequest(("nearest",), ("folder-x8",), {"folder-x8": three}, out=tmp_path / "out"))
    assert all(known.code is None for known in outcome.results[0].manifest.metrics.values())
