"""Results folders of machines, shards and dates as one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.cli import main
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.images.files import read_image, write_png
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.locks import ResultLock
from facesr_bench.results.merge import merge
from facesr_bench.results.store import Result, read_results
from facesr_bench.results.summary import summarise
from tests.report_fixtures import manifest, scored, write_result


def same(a: Path, b: Path) -> bool:
    return bool(np.array_equal(read_image(a), read_image(b)))


def row(folder: Path, image_id: str, psnr: float, **card: Any) -> Result:
    return write_result(folder, manifest(**card), scored({image_id: {"psnr": psnr, "ssim": 0.5}}))


def test_shards_of_a_run_are_the_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": ["psnr", "ssim"], "attention": 0}
    facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], out=tmp_path / "whole", **options)
    parts = [tmp_path / f"part{i}" for i in (1, 2, 3)]
    for number, part in enumerate(parts, 1):
        facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], out=part, shard=f"{number}/3", **options)
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "all")]) == 0
    whole, joined = (read_results(tmp_path / name).results for name in ("whole", "all"))
    for a, b in zip(whole, joined, strict=True):
        assert (a.label, a.manifest.fingerprint) == (b.label, b.manifest.fingerprint)
        values = [{i: r.metrics for i, r in result.images.items()} for result in (a, b)]
        assert values[0] == values[1]
        assert b.manifest.request is not None
        assert "shard" not in b.manifest.request.options
        files = [sorted(path.name for path in (result.folder / "sr").iterdir()) for result in (a, b)]
        assert files[0] == files[1]
        assert len(files[0]) == 7
    outcome = facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], out=tmp_path / "all", **options)
    assert set(outcome.frame["n"]) == {7}
    lines = [len((result.folder / "images.jsonl").read_text().splitlines()) for result in joined]
    assert lines == [7, 7], "nothing was computed anew"


def test_a_part_of_the_shards_is_a_part_of_the_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        row(tmp_path / name, name, 20.0, total=3)
    assert main(["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "n = 2 of 3" in shown.out
    assert "2 of 3 images; a part is never shown as the set" in shown.err


@pytest.mark.parametrize("number", [0, 4])
def test_a_shard_that_does_not_exist_is_refused(number: int) -> None:
    with pytest.raises(FaceSRBenchError, match="I from 1 to N"):
        RunRequest(methods=["bicubic"], shard=f"{number}/3")


@pytest.mark.parametrize("count", [1, 2, 7, 8, 30])
def test_shards_hold_every_image_once(count: int) -> None:
    ids = [f"image {i}" for i in range(count)]
    parts = [RunRequest(methods=["bicubic"], shard=(i, 7)).chosen(ids) for i in range(1, 8)]
    assert sorted(image for part in parts for image in part) == sorted(ids)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_row_of_two_fingerprints_is_refused_with_both_of_them(tmp_path: Path) -> None:
    card = manifest(total=1)
    write_result(tmp_path / "a", card, scored({"x": {"psnr": 20.0}}))
    other = {**card, "fingerprint": "b" * 16, "method": {**card["method"], "code_hash": "e" * 64}}
    write_result(tmp_path / "b", other, scored({"x": {"psnr": 21.0}}))
    sources = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ResultsError) as caught:
        merge(sources, tmp_path / "out", same)
    assert card["fingerprint"] in str(caught.value)
    assert "b" * 16 in str(caught.value)
    assert "the method's code" in str(caught.value)
    assert not (tmp_path / "out").exists(), "nothing is written before all is known to agree"
    assert len(merge(sources, tmp_path / "out", same, newest=True)) == 2


@pytest.mark.parametrize("order", [(1, 9), (9, 1)])
def test_with_newest_the_later_date_is_shown_however_each_folder_counted(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    for name, count, date in zip("ab", order, ("2026-01-01", "2026-02-01"), strict=True):
        card = {**manifest(total=1, updated=date), "fingerprint": name * 16, "order": count}
        write_result(tmp_path / name, card, scored({"x": {"psnr": 20.0}}))
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same, newest=True)
    (shown,) = read_results(tmp_path / "out").results
    assert shown.manifest.fingerprint == "b" * 16


def test_one_image_of_two_values_is_refused_with_both_of_them(tmp_path: Path) -> None:
    for name, value in (("a", 20.0), ("b", 20.5)):
        row(tmp_path / name, "x", value, total=1)
    with pytest.raises(ResultsError, match=r"two values of psnr: 20\.0 and 20\.5 \(fingerprint .* in .*a/.* in .*b/"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same)


@pytest.mark.parametrize("part", ["sr", "hr"])
def test_one_image_of_two_pictures_is_refused_whatever_the_values(tmp_path: Path, part: str) -> None:
    for name in ("a", "b"):
        result = write_result(tmp_path / name, manifest(total=1), scored({"x": {"psnr": 20.0}}), pictures=True)
    path = result.sr_path("x") if part == "sr" else result.inputs_folder / "hr/x.png"
    picture = read_image(path)
    picture[0, 0, 0] ^= 1
    write_png(path, picture)
    with pytest.raises(ResultsError, match="two different pictures"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same)


def test_equal_pictures_of_other_bytes_are_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = write_result(tmp_path / name, manifest(total=1), scored({"x": {"psnr": 20.0}}), pictures=True)
    path = result.sr_path("x")
    Image.fromarray(read_image(path)).save(path, compress_level=0)
    assert len(merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same)) == 1


def test_an_image_that_another_folder_has_is_no_failure(tmp_path: Path) -> None:
    write_result(tmp_path / "a", manifest(total=1), scored({"x": {"psnr": 20.0}}))
    write_result(tmp_path / "b", manifest(total=1), [ImageRecord("x", error="out of memory")])
    for place, order in enumerate((["a", "b"], ["b", "a"])):
        (one,) = merge([tmp_path / name for name in order], tmp_path / f"out{place}", same)
        (summary,) = summarise([one.result])
        assert (summary.failed, summary.means["psnr"]) == (0, 20.0)


def test_a_value_of_a_set_that_was_made_of_parts_is_dropped_and_named(tmp_path: Path) -> None:
    fid = {"title": "FID", "version": 1, "of": "set"}
    for name in ("a", "b"):
        result = row(tmp_path / name, name, 20.0, total=2, metrics={"fid": fid})
        result.save_sets({"fid": {"value": 3.0, "n": 1, "version": 1}})
    (one,) = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same)
    assert list(one.sets) == ["fid"]
    (summary,) = summarise([one.result])
    assert "fid" not in summary.means
    assert "parts" in next(iter(summary.reasons["fid"]))


def test_merging_again_changes_nothing_and_takes_what_is_new(tmp_path: Path) -> None:
    for name in ("a", "b"):
        row(tmp_path / name, name, 20.0, total=2)
    merge([tmp_path / "a"], tmp_path / "out", same)
    (one,) = merge([tmp_path / "b"], tmp_path / "out", same)
    assert set(one.result.images) == {"a", "b"}
    before = (one.result.folder / "images.jsonl").read_bytes()
    (again,) = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "out", same)
    assert sorted((again.result.folder / "images.jsonl").read_bytes().split(b"\n")) == sorted(before.split(b"\n"))


def test_what_leads_out_of_a_folder_is_not_merged(tmp_path: Path) -> None:
    result = row(tmp_path / "a", "x", 20.0, total=1)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("SECRET")
    (result.folder / "maps").symlink_to(tmp_path / "secret")
    with pytest.raises(ResultsError, match="a link out of the folder"):
        merge([tmp_path / "a"], tmp_path / "out", same)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="no results"):
        merge([tmp_path / "empty"], tmp_path / "out", same)
    shutil.rmtree(tmp_path / "empty")
    with pytest.raises(ResultsError, match="no such results folder"):
        merge([tmp_path / "empty"], tmp_path / "out", same)


@pytest.mark.parametrize("busy", ["a", "out"])
def test_a_result_that_a_run_works_on_is_not_merged(
    busy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "out"):
        row(tmp_path / name, name, 20.0, total=3)
    (result,) = read_results(tmp_path / busy).results
    lock = ResultLock(tmp_path / busy, result.folder)
    assert lock.take(wait=False)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    command = ["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    assert main(command) != 0
    said = capsys.readouterr().err
    assert str(result.folder) in said
    assert "another run works on it (process " in said
    after = {path: path.read_bytes() for path in before}
    assert after == before, "nothing is written"
    lock.release()
    assert main(command) == 0
    assert not list(tmp_path.rglob("*.lock.json")), "every lock is given back"


def test_a_source_that_can_only_be_read_is_merged_and_no_lock_is_left_in_it(tmp_path: Path) -> None:
    row(tmp_path / "a", "x", 20.0, total=1)
    before = sorted((tmp_path / "a").rglob("*"))
    merge([tmp_path / "a"], tmp_path / "out", same)
    assert sorted((tmp_path / "a").rglob("*")) == before


def test_what_a_merge_writes_is_held_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesr_bench.results import merge as module

    row(tmp_path / "a", "x", 20.0, total=1)
    write, held = module._write, list[bool]()

    def looked(place: Path, parts: Any, out: Path, order: int) -> Any:
        held.append(ResultLock(out, out / place).take(wait=False))
        return write(place, parts, out, order)

    monkeypatch.setattr(module, "_write", looked)
    merge([tmp_path / "a"], tmp_path / "out", same)
    merge([tmp_path / "a"], tmp_path / "out", same)
    assert held == [False, False], "new, and there already"
