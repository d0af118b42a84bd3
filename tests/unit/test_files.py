"""Files appear whole or not at all, whoever else writes them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import replacing, write_json
from facesr_bench.images.files import read_image, write_png


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    """Two runs into one results folder write the same inputs; neither may fail, or spoil the other's file."""

    def write(level: int) -> None:
        for _ in range(20):
            write_png(tmp_path / "in" / "a.png", np.full((64, 64, 3), level, np.uint8))
            assert len(np.unique(read_image(tmp_path / "in" / "a.png"))) == 1
            write_json(tmp_path / "a.json", [level] * 1000)
            assert len(set(json.loads((tmp_path / "a.json").read_text()))) == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.json", "a.png"]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]
    with pytest.raises(ResultsError, match=r"b\.txt: can't be written: File exists"), replacing(path / "b.txt"):
        pass
