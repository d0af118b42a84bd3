"""Bundles that are verified at every level: honest ones, and those that somebody has changed."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facesr_bench.cli import main
from facesr_bench.images.files import read_image
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.store import read_results
from tests.bundle_tools import (
    Contents,
    Verified,
    changed,
    claimed_anew,
    pixels,
    put_picture,
    with_lines,
)


class TestEveryLevel:
    @pytest.mark.parametrize(("asked", "reached"), [("0", 0), ("1", 1), ("2", 2), ("3", 3), ("all", 3)])
    def test_is_reached_by_an_honest_bundle(
        self, bundle: Path, asked: str, reached: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen = Verified(capsys, bundle, "--level", asked)
        assert (seen.status, seen.levels) == (0, [reached]), seen.text
        assert "\nnothing contradicts it: " in seen.text

    def test_that_is_asked_for_and_not_reached_is_a_failure(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def elsewhere(files: Contents) -> None:
            for name in ("bundle.json", "1/manifest.json"):
                files[name] = files[name].replace(b'"demo-x8"', b'"unknown-x8"')

        path = changed(bundle, tmp_path / "x.tar", elsewhere)
        seen = Verified(capsys, path)
        assert (seen.status, seen.levels) == (0, [1])
        assert "unknown-x8" in seen.text
        seen = Verified(capsys, path, "--level", "2")
        assert seen.status == 1
        assert "nothing contradicts it, but 1 of 1 results did not reach level 2" in seen.text

    def test_a_repacked_bundle_still_verifies(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        subprocess.run(["tar", "xf", bundle, "-C", tmp_path], check=True)
        subprocess.run(["tar", "cf", "../gnu.tar", "."], cwd=tmp_path, check=True)
        with tarfile.open(tmp_path / "pax.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(tmp_path / "1", "1")
            for name in ("bundle.json", "SHA256SUMS"):
                archive.add(tmp_path / name, name)
        with Archive(bundle) as archive:
            own = archive.id
        for path in (tmp_path.parent / "gnu.tar", tmp_path / "pax.tar"):
            seen = Verified(capsys, path, "--level", "2")
            assert (seen.status, seen.levels) == (0, [2])
            assert f"bundle {own}" in seen.text
            assert "packed again" in seen.text


def best_of(files: Contents) -> None:
    """Half a dB more in one line."""

    def more(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines[2]["metrics"]["psnr"] += 0.5
        return lines

    with_lines(files, more, "1/images.jsonl")


def best_of_and_mean(files: Contents) -> None:
    best_of(files)
    claimed_anew(files)


def without_the_hardest(files: Contents) -> None:
    """The image with the worst value never was."""
    rows = [json.loads(line) for line in files["1/images.jsonl"].splitlines()]
    worst = min(rows, key=lambda row: float(row["metrics"]["psnr"]))["id"]
    for name in ("1/images.jsonl", "1/pixels.jsonl"):
        with_lines(files, lambda lines: [line for line in lines if line["id"] != worst], name)
    del files[f"1/sr/{worst}.png"]
    claimed_anew(files)
    index = json.loads(files["bundle.json"])
    manifest = json.loads(files["1/manifest.json"])
    index["results"][0]["total"] = manifest["protocol"]["expected_count"] = manifest["data"]["count"] = 6
    files["bundle.json"], files["1/manifest.json"] = json.dumps(index).encode(), json.dumps(manifest).encode()


def no_value_for_the_hardest(files: Contents) -> None:
    """A metric that failed, so to speak, where its value was bad."""

    def drop(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        worst = min(lines, key=lambda line: float(line["metrics"]["psnr"]))
        del worst["metrics"]["psnr"]
        worst["reasons"] = {"psnr": "out of memory"}
        return lines

    with_lines(files, drop, "1/images.jsonl")
    claimed_anew(files)


def another_picture(files: Contents) -> None:
    picture = pixels(files["1/sr/t1-3.png"])
    picture[5:9, 5:9] ^= 64
    put_picture(files, "t1-3", picture)
    claimed_anew(files)


def two_pictures_exchanged(files: Contents) -> None:
    one, other = pixels(files["1/sr/t1-3.png"]), pixels(files["1/sr/t1-4.png"])
    put_picture(files, "t1-3", other)
    put_picture(files, "t1-4", one)
    claimed_anew(files)


def another_picture_alone(files: Contents) -> None:
    files["1/sr/t1-3.png"] = files["1/sr/t1-4.png"]


def weights_of_another(files: Contents) -> None:
    manifest = json.loads(files["1/manifest.json"])
    manifest["definition"] = "0" * 16
    files["1/manifest.json"] = json.dumps(manifest).encode()


def the_other_way_round(files: Contents) -> None:
    """Whoever says which way is better puts any row first."""
    manifest = json.loads(files["1/manifest.json"])
    manifest["metrics"]["psnr"]["higher_is_better"] = False
    files["1/manifest.json"] = json.dumps(manifest).encode()


def bad_values_left_out(files: Contents) -> None:
    """By a rule of the metric that the metric does not have."""
    manifest = json.loads(files["1/manifest.json"])
    manifest["metrics"]["psnr"]["leave_out_below"] = 23.0
    files["1/manifest.json"] = json.dumps(manifest).encode()
    claimed_anew(files)


def the_hardest_failed(files: Contents) -> None:
    """So to speak: without its picture nobody sees that it is bad."""

    def failed(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines[0] |= {"metrics": {}, "error": "out of memory"}
        return lines

    def no_picture(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in line.items() if n or k in ("id", "lr", "hr")} for n, line in enumerate(lines)]

    with_lines(files, failed, "1/images.jsonl")
    with_lines(files, no_picture, "1/pixels.jsonl")
    del files["1/sr/astronaut.png"]
    claimed_anew(files)


def _saved(files: Contents, **options: Any) -> None:
    stream = io.BytesIO()
    Image.open(io.BytesIO(files["1/sr/t1-3.png"])).convert(options.pop("mode", "RGB")).save(stream, "PNG", **options)
    files["1/sr/t1-3.png"] = stream.getvalue()


def a_text_in_a_picture(files: Contents) -> None:
    texts = PngInfo()
    texts.add_text("Author", "Ada")
    _saved(files, pnginfo=texts)


def a_picture_that_is_not_seen(files: Contents) -> None:
    """Scored without its alpha, and shown with it."""
    _saved(files, mode="RGBA")


def more_behind_a_picture(files: Contents) -> None:
    files["1/sr/t1-3.png"] += b"<script></script>"


class TestTampering:
    """Each is refused, at the level that can see it."""

    def test_a_flipped_byte_is_seen(self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = changed(bundle, tmp_path / "x.tar", another_picture_alone, sums=False)
        seen = Verified(capsys, path)
        assert seen.status == 1
        assert "1/sr/t1-3.png was changed" in seen.text

    @pytest.mark.parametrize(
        ("how", "reached", "said"),
        [
            (another_picture_alone, None, "is not the one that was hashed"),
            (best_of, 0, "psnr is claimed as 23.62"),
            (best_of_and_mean, 1, "psnr of 1 of 7 images; first t1-2: claimed 25.66"),
            (no_value_for_the_hardest, 1, "psnr of 1 of 7 images; first astronaut: claimed none"),
            (without_the_hardest, 1, "the protocol has 6 images, and it has 7"),
            (another_picture, 1, "psnr of 1 of 7 images; first t1-3"),
            (two_pictures_exchanged, 1, "psnr of 2 of 7 images; first t1-3"),
            (weights_of_another, 1, "another definition"),
            (the_other_way_round, 0, "psnr is described otherwise than here: higher_is_better False, here True"),
            (bad_values_left_out, 0, "psnr is described otherwise than here: leave_out_below 23.0, here None"),
            (the_hardest_failed, 2, "1 of 1 images that are said to have failed have not; first astronaut"),
            (a_text_in_a_picture, None, "it has a chunk tEXt, and pixels alone are expected"),
            (a_picture_that_is_not_seen, None, "colour type 6; 8-bit RGB is expected"),
            (more_behind_a_picture, None, "17 bytes stand behind its end"),
        ],
    )
    def test_a_consistent_lie_is_seen_where_it_can_be(
        self,
        bundle: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        how: Callable[[Contents], None],
        reached: int | None,
        said: str,
    ) -> None:
        path = changed(bundle, tmp_path / "x.tar", how)
        seen = Verified(capsys, path)
        assert seen.status == 1
        assert ("NOT believed: 1 of 1 results contradicted" in seen.text) == (reached is not None)
        assert seen.levels == ([] if reached is None else [reached])
        assert said in seen.text
        assert main(["add", str(path), "--results", str(tmp_path / "r"), "--no-report"]) == 1
        assert not (tmp_path / "r").exists()

    def test_what_a_sender_says_of_the_task_is_not_what_stands_beside_the_numbers(
        self, results: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Names, units and prose are those of what is installed here; a label that hides the method is named."""

        def lies(files: Contents) -> None:
            manifest = json.loads(files["1/manifest.json"])
            manifest["metrics"]["psnr"] |= {"title": "Greatness", "unit": "m", "digits": 0, "margin": 99.0}
            manifest["profile"]["quantise"] = "round"
            manifest["protocol"] |= {"summary": "easy", "degradation": "gfpgan"}
            manifest["method"]["label"] = "sparnet"
            index = json.loads(files["bundle.json"])
            index["results"][0]["label"] = "sparnet"
            files["1/manifest.json"], files["bundle.json"] = json.dumps(manifest).encode(), json.dumps(index).encode()

        path = changed(bundle, tmp_path / "x.tar", lies)
        assert main(["add", str(path), "--results", str(tmp_path / "r"), "--level", "2", "--no-report"]) == 0
        said = capsys.readouterr().out
        assert "sparnet on demo-x8: so its sender calls it; the method is bicubic" in said
        assert "Greatness" not in said
        (added,) = read_results(tmp_path / "r").results
        (own,) = [result for result in read_results(results).results if result.label == "bicubic"]
        assert added.manifest.protocol == own.manifest.protocol
        assert added.manifest.profile == own.manifest.profile
        assert added.manifest.metrics["psnr"].margin == own.manifest.metrics["psnr"].margin

    def test_the_ground_truth_is_no_result(
        self, results: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truth = read_image(next(results.glob("demo-x8/inputs/*/hr/t1-1.png")))

        def itself(files: Contents) -> None:
            put_picture(files, "t1-1", truth)
            claimed_anew(files)

        def disguised(files: Contents) -> None:
            hidden = truth.copy()
            hidden[0, 0, 0] ^= 1
            put_picture(files, "t1-1", hidden)
            claimed_anew(files)

        seen = Verified(capsys, changed(bundle, tmp_path / "a.tar", itself))
        assert seen.status == 1
        assert "is the ground truth itself" in seen.text
        seen = Verified(capsys, changed(bundle, tmp_path / "b.tar", disguised))
        assert seen.status == 1
        assert "t1-1 is its ground truth but for" in seen.text

    def test_pictures_of_another_method_are_not_made_anew(
        self, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "x.tar"
        assert main(["bundle", str(results / "demo-x8/nearest"), "--out", str(out)]) == 0
        path = changed(out, tmp_path / "y.tar", lambda files: _renamed(files, "nearest", "bicubic"))
        seen = Verified(capsys, path)
        assert (seen.status, seen.levels) == (1, [2])
        assert "made anew, 7 of 7 pictures differ" in seen.text

    def test_one_picture_for_all_is_named(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def same(files: Contents) -> None:
            put_picture(files, "t1-3", pixels(files["1/sr/t1-4.png"]))
            claimed_anew(files)

        seen = Verified(capsys, changed(bundle, tmp_path / "x.tar", same), "--level", "1")
        assert "one picture for different inputs, 1 times; first t1-3 and t1-4" in seen.text


def _renamed(files: Contents, old: str, new: str) -> None:
    for name in ("bundle.json", "1/manifest.json"):
        files[name] = files[name].replace(f'"{old}"'.encode(), f'"{new}"'.encode())
