"""What was written and then changed on disk gives no number: it is found, said, and computed anew by the next run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.cli import main
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest
from facesr_bench.results.arrays import read_array, write_array
from facesr_bench.results.checks import DamagedError, check, sealed
from facesr_bench.results.store import Result, open_result, read_results

STORED = Path(__file__).parents[1] / "fixtures" / "results"


def run(faces: Path, out: Path, *methods: str, **more: Any) -> RunOutcome:
    asked = {"metrics": ("psnr", "ssim"), **more}
    return runner.run(RunRequest(methods, ("folder-x8",), {"folder-x8": faces}, out=out, **asked))


def numbers(result: Result) -> dict[str, dict[str, float]]:
    return {image_id: row.metrics for image_id, row in open_result(result.folder).rows().items()}


def test_a_flipped_digit_of_a_number_is_found_and_computed_anew(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = run(faces, out, "bicubic").results
    before = numbers(result)
    path = result.folder / "images.jsonl"
    lines = path.read_text().splitlines()
    place = lines[1].index('"psnr": ') + 8
    lines[1] = lines[1][:place] + ("9" if lines[1][place] != "9" else "8") + lines[1][place + 1 :]
    path.write_text("\n".join(lines) + "\n")
    json.loads(lines[1])  # it is a number like any other
    with pytest.raises(DamagedError, match=r"images\.jsonl, line 2: damaged \(its checksum"):
        open_result(result.folder).rows()
    again = run(faces, out, "bicubic")
    assert (again.computed, again.problems) == (1, [])
    assert again.mended == [
        "folder-x8, bicubic: 1 of 5 lines of images.jsonl were damaged; their images are computed anew"
    ]
    assert numbers(result) == before
    assert run(faces, out, "bicubic").mended == []


def test_a_damaged_line_costs_the_tables_of_others_nothing(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    results = run(faces, out, "bicubic", "nearest").results
    path = results[0].folder / "images.jsonl"
    path.write_text(path.read_text().replace('"psnr"', '"psnq"', 1))
    for command in (["table"], ["history"], ["report"]):
        assert main([*command, "--results", str(out)]) == 1, command
        said = capsys.readouterr()
        assert "images.jsonl, line 1: damaged" in said.err
        assert command == ["report"] or "nearest" in said.out
    stored = read_results(out)
    assert [result.label for result in stored.results] == ["nearest"] and len(stored.unreadable) == 1


def test_a_damaged_sets_json_costs_the_tables_of_others_nothing(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result, _) = run(faces, out, "bicubic", "nearest").results
    result.save_sets({"fid[clean]": {"value": 31.25, "n": 5, "version": 1}})
    path = result.folder / "sets.json"
    path.write_text(path.read_text().replace("31.25", "13.25"))
    assert [found.label for found in read_results(out).results] == ["nearest"]
    assert run(faces, out, "bicubic").mended == [
        "folder-x8, bicubic: sets.json was damaged; what it held is computed anew"
    ]
    assert len(read_results(out).results) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 1}', '{"schema_version": 1, "method": 5}', None])
def test_a_result_with_a_damaged_manifest_is_computed_anew(faces: Path, tmp_path: Path, text: str | None) -> None:
    """Nobody knows any more what computed its numbers."""
    out = tmp_path / "out"
    (result, other) = run(faces, out, "bicubic", "nearest").results
    before = numbers(result)
    path = result.folder / "manifest.json"
    path.write_text(path.read_text().replace('"digits": 2', '"digits": 3') if text is None else text)
    stored = read_results(out)
    assert [found.label for found in stored.results] == ["nearest"]
    assert "manifest.json: " in stored.unreadable[0] and "remove the folder" in stored.unreadable[0]
    again = run(faces, out, "bicubic", "nearest")
    assert (again.computed, again.problems) == (5, []) and "manifest.json was damaged" in again.mended[0]
    assert numbers(result) == before and numbers(other)
    assert run(faces, out, "bicubic", "nearest").computed == 0


@pytest.mark.parametrize("array", [np.arange(7, dtype=np.float32), np.float64(3.5), np.zeros((0, 2))])
def test_no_byte_of_an_array_can_change_unseen(tmp_path: Path, array: Any) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.asarray(array))
    data = path.read_bytes()
    kept = read_array(path)
    assert kept is not None and np.array_equal(kept, array)
    with path.open("rb") as stream:
        assert np.array_equal(np.load(stream), array), "any reader of arrays can read it"
    for place in range(len(data)):
        for bit in (1, 128):
            path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            assert read_array(path) is None, place
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found = read_array(path)
        assert found is None or np.array_equal(found, array), length  # that without its checksum is an old one


@pytest.mark.parametrize("text", ['{"a": 1}', "{}", '{"a": "ü"}', '{\n  "a": {"b": [1, 2]}\n}\n', "{\n}\n"])
def test_no_byte_of_a_sealed_text_can_change_unseen(text: str) -> None:
    data = sealed(text).encode()
    check(data, required=True)
    assert json.loads(data).pop("check") and sealed(sealed(text)) == sealed(text)
    blank = b" \n\t\r,"
    for place in range(len(data)):
        other = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        if data[place : place + 1] in (b" ", b"\n") or other[place : place + 1] in blank:
            continue
        with pytest.raises(ValueError, match="checksum"):
            check(other, required=True)


def test_a_result_of_version_2_is_read_and_given_checksums_when_a_run_goes_on_with_it(tmp_path: Path) -> None:
    shutil.copytree(STORED / "v2", tmp_path / "out")
    (folder,) = (tmp_path / "out/demo-x8/nearest").iterdir()
    result = open_result(folder)
    before = result.rows()
    assert len(before) == 7 and b"check" not in (folder / "images.jsonl").read_bytes()
    assert result.mend() == []
    result.save_manifest()
    lines = (folder / "images.jsonl").read_bytes().splitlines()
    assert len(lines) == 7 and all(b'"check"' in line for line in lines)
    again = open_result(folder)
    assert again.rows() == before and again.manifest.schema_version == 3
    (folder / "images.jsonl").write_bytes(b'{"id": "astronaut", "metrics": {"psnr": 60.0}}\n')
    with pytest.raises(DamagedError, match="it has no checksum"):
        open_result(folder).rows()
