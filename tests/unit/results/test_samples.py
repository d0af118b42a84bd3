"""What is kept of prepared images beside their pixels."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.results.samples import SampleRecord, Samples, read_landmarks, read_samples

EXACT = SampleRecord("a ü", [(1 / 3, math.pi), (0.1 + 0.2, -5.0)], "Ada")


def test_floats_are_read_as_they_were_written(tmp_path: Path) -> None:
    Samples(tmp_path).add(EXACT)
    Samples(tmp_path).add(SampleRecord("b"))
    assert read_samples(tmp_path) == {"a ü": EXACT, "b": SampleRecord("b")}
    assert read_landmarks(tmp_path, ["b", "a ü"]) == [[(0.333, 3.142), (0.3, -5.0)]]


def test_what_was_drawn_and_the_hash_of_lr_are_kept_and_older_lines_lack_them(tmp_path: Path) -> None:
    drawn = {"sigma_x": 0.1 + 0.2, "order": ["blur", "noise"], "grey": False, "jitter": [["hue", -0.05]]}
    made = SampleRecord("a", degradation=drawn, lr_sha256="a" * 64, lr_expected="b" * 64, made_by="Pillow 12")
    Samples(tmp_path).add(made)
    assert read_samples(tmp_path) == {"a": made}
    (tmp_path / "samples.jsonl").write_text('{"id": "old", "identity": "Ada"}\n')
    assert read_samples(tmp_path) == {"old": SampleRecord("old", identity="Ada")}


def test_an_image_has_one_line(tmp_path: Path) -> None:
    for _ in range(2):
        samples = Samples(tmp_path)
        samples.add(EXACT)
        samples.add(EXACT)
    assert (tmp_path / "samples.jsonl").read_bytes().count(b"\n") == 1


def test_a_torn_line_is_missing_and_spoils_no_other(tmp_path: Path) -> None:
    Samples(tmp_path).add(EXACT)
    Samples(tmp_path).add(SampleRecord("b", identity="Bob"))
    path = tmp_path / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read_samples(tmp_path)) == ["a ü"]
    Samples(tmp_path).add(SampleRecord("c"))
    assert list(read_samples(tmp_path)) == ["a ü", "c"]


def test_landmarks_of_an_earlier_release_stand_in_for_missing_lines(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.json"
    path.write_text('{"old": [[1, 2]], "a ü": [[9, 9]]}')
    Samples(tmp_path).add(EXACT)
    assert read_landmarks(tmp_path, ["old", "a ü", "neither"]) == [[(1.0, 2.0)], [(0.333, 3.142), (0.3, -5.0)]]
    path.write_text('{"old": [[1, 2')
    assert len(read_landmarks(tmp_path, ["a ü"])) == 1
    with pytest.raises(ResultsError, match=r"landmarks\.json: can't be read"):
        read_landmarks(tmp_path, ["old"])
