"""What is written of one image and of one result, and read back."""

from __future__ import annotations

import math

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.results.image_record import ImageRecord


def test_line_comes_back_as_it_was() -> None:
    record = ImageRecord(
        "a/ü 1", {"psnr": math.inf, "x": 0.1 + 0.2}, {"psnr": 1, "x": 3}, {"nme": "no face"}, ["nme"], 1.5, None, "Ada"
    )
    line = record.to_json()
    assert line.startswith('{"id": "a/ü 1", "identity": "Ada"') and '"psnr": "inf"' in line
    assert ImageRecord.from_json(line.encode()) == record
    assert ImageRecord.from_json('{"id": "a", "of a later release": 1}', required=False) == ImageRecord("a")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"metrics": {}}', "id: Field required"),
        ("[]", "object"),
        ('{"id": "a", "metrics": {"psnr": "many"}}', r"metrics\.psnr: .*number"),
        ('{"id": "a", "metr', "Invalid JSON"),
        ('{"id": 3}', "id: .*string"),
    ],
)
def test_damaged_line_says_what_is_wrong_in_one_line(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        ImageRecord.from_json(line, required=False)
    assert "\n" not in str(caught.value)


def test_nan_is_never_written() -> None:
    with pytest.raises(ResultsError, match="NaN"):
        ImageRecord("a", {"psnr": math.nan}).to_json()
