"""Baselines: what a file holds comes back as it was, and what is wrong with one is said."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.results import baseline as baselines
from facesr_bench.results.gate.sides import Side
from tests.gate_sides import side, with_shot

VALUES = [24.123456789012345, 1 / 3, math.inf]


def one() -> Side:
    given = side({"psnr": VALUES, "lpips": [0.1, 0.2, 0.3]}, people=["ann", "ann", "bob"], costs={"ms_per_image": 12.3})
    lost = {"psnr": VALUES[0]}
    return with_shot(given, "face000", metrics=lost, reasons={"lpips": "no face"}, undetected=["lpips"])


def test_what_is_written_comes_back_at_full_precision(tmp_path: Path) -> None:
    path = baselines.path_of(tmp_path, one())
    assert path == tmp_path / "toy-x8" / "toy.jsonl"
    assert baselines.write(path, one())
    back = baselines.read(path)
    assert back.images == one().images
    assert back.header.model_dump() == one().header.model_dump()
    assert list(back.held) == list(one().held)
    lines = path.read_text().splitlines()
    assert len(lines) == 5
    assert json.loads(lines[1])["pixels"] == "toy-face000"


def test_accepting_the_same_again_changes_nothing_and_one_number_changes_one_line(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    baselines.write(path, one())
    before = path.read_text()
    slower = one().header.model_copy(update={"costs": {"ms_per_image": 99.0}, "environment": {"device": "cuda"}})
    assert not baselines.write(path, Side("x", slower, one().images))
    assert path.read_text() == before
    assert baselines.write(path, with_shot(one(), "face001", metrics={"psnr": 0.5, "lpips": 0.2}))
    old, new = before.splitlines(), path.read_text().splitlines()
    assert [a == b for a, b in zip(old, new, strict=True)] == [True, True, False, True, False]  # the checksum too


def test_many_images_are_compressed_and_the_same_bytes_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "MANY", 2)
    path = baselines.path_of(tmp_path, one())
    assert path.name == "toy.jsonl.gz"
    baselines.write(path, one())
    first = path.read_bytes()
    assert gzip.decompress(first).startswith(b'{"baseline": 2')
    path.unlink()
    baselines.write(path, one())
    assert path.read_bytes() == first
    assert baselines.read(path).images == one().images
    assert baselines.baselines_in(tmp_path) == [path]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error": "boom", "metrics": {}}, "1 of 3 images failed (first face001: boom)"),
        ({"metrics": {"lpips": 0.2}, "reasons": {"psnr": "returned NaN"}}, "psnr has no value for 1 images"),
        ({"pixels": None}, "the pictures of 1 images are not on disk"),
    ],
)
def test_what_can_not_be_a_baseline_is_not_accepted(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ResultsError, match="not accepted") as caught:
        baselines.write(tmp_path / "b.jsonl", with_shot(one(), "face001", **changes))
    assert said in str(caught.value)
    assert not (tmp_path / "b.jsonl").exists()


def test_a_damaged_file_says_what_is_wrong_and_in_which_line(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    baselines.write(path, one())
    whole = path.read_text()
    header, first, *rest = whole.splitlines(keepends=True)
    for text, said in (
        ("", "empty"),
        ("[1]\n", "no header"),
        ("{}\n", "no header"),
        ("[" * 100_000 + "\n", "no header"),
        (header.replace('"baseline": 2', '"baseline": 9'), "format 9"),
        (header.replace('"baseline": 2', '"baseline": true'), "format True"),
        (header.replace('"n": 3', '"n": "x"') + first, "line 1: damaged (n:"),
        (header + first, "0 images, and its header says 3"),
        (header + first + rest[-1], "1 images, and its header says 3"),
        (whole.removesuffix(rest[-1]), "2 images, and its header says 3"),
        (header + first + first + "".join(rest), "line 3: face000 stands there twice"),
        (whole[:-5], "cut off"),
        (whole.replace("0.3333333333333333", '"nan"'), "line 3: damaged (metrics: Value error, NaN for psnr)"),
        (whole.replace('"id": "face001"', '"name": "face001"'), "line 3: damaged"),
    ):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"b\.jsonl") as caught:
            baselines.read(path)
        assert said in str(caught.value)
    path.write_bytes(b"\xff\xfe" + whole.encode())
    with pytest.raises(ResultsError, match="not UTF-8"):
        baselines.read(path)
    packed = gzip.compress(whole.encode())
    for data in (packed[:-9], packed + b"more", packed[:12] + b"\xff" * 9 + packed[21:]):
        path.write_bytes(data)
        with pytest.raises(ResultsError, match="can't be read"):
            baselines.read(path)
    with pytest.raises(ResultsError, match="no such baseline"):
        baselines.read(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.3333333333333333", "0.1"),  # a lower bar
        ('"margin": 0.05', '"margin": 5.0'),
        ('"higher_is_better": true', '"higher_is_better": false'),
        ('"id": "face001"', '"id": "face009"'),
        ('"label": "toy"', '"label": "other"'),
        ('"n": 3', '"n": 3.0'),
    ],
)
def test_what_was_edited_by_hand_is_no_baseline_and_is_written_anew(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "b.jsonl"
    baselines.write(path, one())
    whole = path.read_text()
    assert old in whole
    path.write_text(whole.replace(old, new, 1))
    with pytest.raises(ResultsError, match="edited by hand"):
        baselines.read(path)
    assert baselines.write(path, one())
    assert path.read_text() == whole


def test_lines_of_two_versions_that_a_merge_put_together_are_no_baseline(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    baselines.write(ours, one())
    baselines.write(theirs, with_shot(one(), "face001", metrics={"psnr": 0.5, "lpips": 0.2}))
    first, second = ours.read_text().splitlines(keepends=True), theirs.read_text().splitlines(keepends=True)
    ours.write_text("".join([*first[:2], second[2], *first[3:]]))
    with pytest.raises(ResultsError, match="by a merge"):
        baselines.read(ours)


def test_line_ends_of_another_system_are_no_edit(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    baselines.write(path, one())
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert baselines.read(path).images == one().images


def test_a_file_without_a_checksum_is_of_format_1_and_read(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    baselines.write(path, one())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0].replace('"baseline": 2', '"baseline": 1'), *lines[1:-1]]))
    assert baselines.read(path).images == one().images
    assert baselines.write(path, one())  # and written as today
    assert path.read_text() == "".join(lines)
    # What its form can tell is told without a checksum too.
    for old, new, said in (
        ('"psnr": 0.3333333333333333, ', "", None),
        (', "pixels": "toy-face001"', "", "pictures of 1 images"),
        (', "given": "given-face001"', "", "inputs of 1 images"),
        ('"lpips": 0.2', '"sharpness": 0.2', "values of sharpness, and does not describe it"),
        ('"metrics": {"psnr": {', '"metrics": {"ssim": {}, "psnr": {', "describes ssim, and has no value of it"),
    ):
        text = "".join([lines[0].replace('"baseline": 2', '"baseline": 1'), *lines[1:-1]])
        assert old in text
        path.write_text(text.replace(old, new, 1))
        if said is None:
            baselines.read(path)
        else:
            with pytest.raises(ResultsError, match="no baseline") as caught:
                baselines.read(path)
            assert said in str(caught.value)


def test_a_file_that_is_not_in_its_place_says_where_that_is(tmp_path: Path) -> None:
    path = baselines.path_of(tmp_path, one())
    baselines.write(path, one())
    assert baselines.why_misplaced(tmp_path, path, one()) is None
    assert baselines.why_misplaced(tmp_path, path.with_suffix(".jsonl.gz"), one()) is None
    for other in ("toy-x8/other.jsonl", "toy.jsonl", "toy-x8/old/toy.jsonl", "other-x8/toy.jsonl"):
        why = baselines.why_misplaced(tmp_path, tmp_path / other, one())
        assert why is not None
        assert str(path) in why


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_LARGEST", 10_000)
    path = tmp_path / "b.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(ResultsError, match="larger than"):
        baselines.read(path)


def test_no_label_leads_out_of_the_folder(tmp_path: Path) -> None:
    for label in ("../../evil", "/etc/passwd", "..", "a/b"):
        path = baselines.path_of(tmp_path / "baselines", side({"psnr": VALUES}, label=label))
        assert path.parent == tmp_path / "baselines" / "toy-x8"
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "toy-x8").symlink_to(tmp_path)
    with pytest.raises(ResultsError, match="a link"):
        baselines.path_of(tmp_path / "baselines", one())
