"""Attention maps: kept for the first images, as the method gave them; their failures cost no number."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.results import store
from facesr_bench.results.store import Result

CARD = """
schema_version = 1
kind = "method"
name = "NAME"
title = "Looker"
summary = "Looks where the picture is bright."
input = "lr"
licence = "MIT"
"""
CODE = """
import torch
from torch.nn import functional
from facesr_bench import AttentionMaps, MethodBase

class Method(MethodBase, AttentionMaps):
    def upscale(self, lr):
        return functional.interpolate(lr, scale_factor=self.scale, mode="nearest")

    def attention_maps(self, lr):
        {maps}
"""
_NUMBERS = count(1)


def method(folder: Path, maps: str) -> str:
    folder.mkdir()
    # Folders given by path stay known until the process ends: each needs a name of its own.
    (folder / "card.toml").write_text(CARD.replace("NAME", f"looker-{next(_NUMBERS)}"))
    (folder / "method.py").write_text(CODE.replace("{maps}", maps))
    return str(folder)


@pytest.fixture
def faces(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(astronaut[8 * i : 8 * i + 128, :128]).save(folder / f"{i}.png")
    return folder


def run(faces: Path, out: Path, name: str, **options: Any) -> tuple[Result, list[str]]:
    given = {"data": {"folder-x8": faces}, "out": out, "metrics": ("psnr",), **options}
    report = runner.run(request.RunRequest((name,), ("folder-x8",), **given))
    (result,) = report.results
    return result, report.problems


def levels(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as picture:
        assert picture.mode == "L"
        return np.asarray(picture, dtype=np.float64)


def test_maps_are_kept_as_the_method_gives_them(faces: Path, tmp_path: Path) -> None:
    name = method(tmp_path / "looker", "return [lr[:, :1], torch.stack([lr[:, 0], lr[:, 0] * 0], 1)]")
    result, problems = run(faces, tmp_path / "out", name)
    assert problems == []
    folder = result.folder / store.FOLDER
    assert sorted(path.name for path in folder.iterdir()) == [store.MEAN, "0", "1", "2"]
    for image_id in "012":
        lr = np.asarray(Image.open(result.inputs_folder / "lr" / f"{image_id}.png"), dtype=np.float64)[..., 0]
        assert np.array_equal(levels(folder / image_id / "1.png"), lr)
        assert np.abs(levels(folder / image_id / "2.png") - lr / 2).max() <= 0.5, "the mean over the channels"
    mean = np.mean([levels(folder / image_id / "1.png") for image_id in "012"], axis=0)
    assert np.abs(levels(folder / store.MEAN / "1.png") - mean).max() <= 0.5


def test_only_of_the_first_images_and_only_once(faces: Path, tmp_path: Path) -> None:
    name = method(tmp_path / "looker", "return [lr[:, :1]]")
    result, _ = run(faces, tmp_path / "out", name, attention=2)
    folder = result.folder / store.FOLDER
    assert sorted(path.name for path in folder.iterdir()) == [store.MEAN, "0", "1"]
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    run(faces, tmp_path / "out", name, attention=2)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == times
    none, _ = run(faces, tmp_path / "none", name, attention=0)
    assert not (none.folder / store.FOLDER).exists()


def test_methods_without_maps_have_none(faces: Path, tmp_path: Path) -> None:
    result, problems = run(faces, tmp_path / "out", "bicubic")
    assert problems == [] and not (result.folder / store.FOLDER).exists()


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ("raise RuntimeError('no maps today')", "RuntimeError: no maps today"),
        ("return [lr[:, :1] + 1]", "values outside [0, 1]"),
        ("return [lr[0]]", "expected 1xCxhxw"),
    ],
)
def test_a_failure_is_told_and_costs_no_number(faces: Path, tmp_path: Path, maps: str, expected: str) -> None:
    result, problems = run(faces, tmp_path / "out", method(tmp_path / "looker", maps))
    assert all(expected in problem and "attention maps" in problem for problem in problems) and problems
    assert all(row.error is None and "psnr" in row.metrics for row in result.rows().values())
