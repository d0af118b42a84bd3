"""A result leaves the machine it was made on: packed, tampered with, verified at every level, added elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import facesr_bench
from facesr_bench.cli import main
from facesr_bench.images.files import read_image
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.checks import sealed
from facesr_bench.results.locks import ResultLock
from facesr_bench.results.store import read_results
from tests.bundle_tools import Contents, changed, claimed_anew, contents, pixels, put_picture, with_lines

METRICS = ["psnr", "ssim"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on the faces that ship with our dependencies."""
    root = tmp_path_factory.mktemp("sender") / "results"
    facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], metrics=METRICS, out=root)
    return root


@pytest.fixture(scope="module")
def bundle(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bicubic's result, packed."""
    path = tmp_path_factory.mktemp("bundle") / "bicubic.tar"
    assert main(["bundle", str(results / "demo-x8/bicubic"), "--out", str(path)]) == 0
    return path


class Verified:
    """What `verify` printed, and its exit status."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> None:
        capsys.readouterr()
        self.status = main(["verify", *map(str, arguments)])
        self.text = capsys.readouterr().out

    @property
    def levels(self) -> list[int]:
        return [int(level) for level in re.findall(r"^\S.*: level (\d), ", self.text, re.MULTILINE)]


class TestABundle:
    def test_is_the_same_file_however_often_it_is_made(
        self, results: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "moved"
        shutil.copytree(results, other / "results")
        capsys.readouterr()
        assert main(["bundle", str(other / "results/demo-x8/bicubic"), "--out", str(tmp_path / "again.tar")]) == 0
        assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()
        with Archive(bundle) as archive:
            assert archive.id == archive.file_sha256 == capsys.readouterr().out.strip()

    def test_holds_every_picture_and_no_ground_truth_nor_input(self, results: Path, bundle: Path) -> None:
        files = contents(bundle)
        assert sum(name.startswith("1/sr/") for name in files) == 7
        inputs = next((results / "demo-x8/inputs").iterdir())
        given = {path.read_bytes() for part in ("lr", "hr") for path in (inputs / part).iterdir()}
        assert given.isdisjoint(files.values())

    def test_names_no_folder_of_the_machine(self, results: Path, tmp_path: Path) -> None:
        root = tmp_path / "with blanks/r"
        shutil.copytree(results, root)
        (path,) = root.glob("demo-x8/bicubic/*/manifest.json")
        manifest = json.loads(path.read_text())
        manifest["command"] = f"facesr-bench run --methods {Path.home()}/mynet --out {root}"
        manifest["request"]["methods"] = ["/opt/somebody/mynet"]
        path.write_text(sealed(json.dumps(manifest)))
        lines = path.with_name("images.jsonl")
        failed = {
            "id": "t1-1",
            "error": f"{root}/demo-x8/x.png: can't be read; /srv/lab/a.png neither, ~/b, C:\\\\me\\\\c",
        }
        with lines.open("a") as stream:
            stream.write(sealed(json.dumps(failed)) + "\n")
        assert main(["bundle", str(root / "demo-x8/bicubic"), "--out", str(tmp_path / "x.tar")]) == 0
        files = contents(tmp_path / "x.tar")
        assert b"demo-x8/x.png: can't be read; a.png neither, b, c" in files["1/images.jsonl"]
        assert b"1 failed" not in files["1/images.jsonl"]
        assert json.loads(files["bundle.json"])["results"][0]["failed"] == 1
        for name in ("bundle.json", "1/manifest.json", "1/images.jsonl"):
            assert not re.search(rb"with blanks|somebody|/srv|/tmp|~/|C:", files[name]), name
            assert str(Path.home()).encode() + b"/" not in files[name]

    def test_is_checked_by_the_usual_tools(self, bundle: Path, tmp_path: Path) -> None:
        subprocess.run(["tar", "xf", bundle, "-C", tmp_path], check=True)
        subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, check=True)

    def test_is_found_by_label_tag_and_folder(self, results: Path, bundle: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.tar"
        assert main(["bundle", "bicubic", "--results", str(results), "--out", str(out)]) == 0
        assert out.read_bytes() == bundle.read_bytes()
        assert main(["bundle", str(results), "--out", str(out)]) == 0
        assert json.loads(contents(out)["bundle.json"])["results"][1]["label"] == "nearest"
        assert main(["bundle", "bicubix", "--results", str(results), "--out", str(out)]) == 2

    def test_that_is_anonymous_says_nothing_of_who_made_it(self, results: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.tar"
        assert main(["bundle", str(results), "--out", str(out), "--anonymous"]) == 0
        files = contents(out)
        manifest = json.loads(files["1/manifest.json"])
        assert json.loads(files["bundle.json"])["anonymous"]
        assert (manifest["method"]["paper"], manifest["method"]["code"], manifest["environment"]["commit"]) == (
            None,
        ) * 3
        assert manifest["environment"]["platform"] == manifest["method"]["summary"] == ""
        assert manifest["created"][10:] == manifest["updated"][10:] == "T00:00:00+00:00"  # no hour
        assert main(["bundle", str(results), "--out", str(out), "--anonymous", "--contact", "Ada"]) == 2

    @pytest.mark.parametrize("anonymous", [[], ["--anonymous"]])
    def test_of_finished_pictures_says_nothing_of_where_they_lay_or_who_drew_them(
        self, results: Path, tmp_path: Path, anonymous: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name with blanks behind a colon, and texts in the pictures."""
        monkeypatch.setenv("LOGNAME", "janedoe")
        folder = tmp_path / "jane doe" / "re stored"
        folder.mkdir(parents=True)
        texts = PngInfo()
        texts.add_text("Author", "Jane Doe")
        for path in results.glob("demo-x8/bicubic/*/sr/*.png"):
            Image.open(path).convert("RGBA").save(folder / path.name, pnginfo=texts)
        method = f"ours=images:'{folder}'"
        facesr_bench.run([method], ["demo-x8"], metrics=METRICS, out=tmp_path / "r", tag="janedoe-final")
        assert main(["bundle", str(tmp_path / "r"), "--out", str(tmp_path / "x.tar"), *anonymous]) == 0
        data = (tmp_path / "x.tar").read_bytes()
        for word in (b"jane", b"Jane", b"tEXt", str(tmp_path).encode()):
            assert word not in data
        assert (b"images:re stored" in data) or (b"images:'re stored'" in data)
        assert main(["verify", str(tmp_path / "x.tar"), "--level", "2"]) == 0

    def test_is_the_same_in_another_place_time_and_language(self, results: Path, bundle: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.tar"
        command = f"umask 077; exec '{sys.executable}' -m facesr_bench bundle '{results}/demo-x8/bicubic' --out '{out}'"
        env = {**os.environ, "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
        subprocess.run(["sh", "-c", command], check=True, env=env, cwd=tmp_path)
        assert out.read_bytes() == bundle.read_bytes()

    def test_of_a_part_says_so_everywhere(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        facesr_bench.run(["bicubic"], ["demo-x8"], metrics=METRICS, out=tmp_path / "r", limit=3)
        assert main(["bundle", str(tmp_path / "r"), "--out", str(tmp_path / "x.tar")]) == 0
        assert "3 of 7 images: a part of the set" in capsys.readouterr().err
        seen = Verified(capsys, tmp_path / "x.tar")
        assert (seen.status, seen.levels) == (0, [3])
        assert "3 of 7 images: a part of the set" in seen.text
        assert main(["add", str(tmp_path / "x.tar"), "--results", str(tmp_path / "other"), "--level", "2"]) == 0
        assert "n = 3 of 7" in capsys.readouterr().out

    def test_needs_every_picture(self, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shutil.copytree(results, tmp_path / "r")
        next((tmp_path / "r").glob("demo-x8/bicubic/*/sr/t1-3.png")).unlink()
        assert main(["bundle", str(tmp_path / "r/demo-x8/bicubic"), "--out", str(tmp_path / "x.tar")]) == 2
        assert "t1-3.png" in capsys.readouterr().err
        assert not (tmp_path / "x.tar").exists()

    def test_writes_the_form_of_the_hub(self, results: Path, tmp_path: Path) -> None:
        command = ["bundle", str(results), "--out", str(tmp_path / "x.tar"), "--url", "https://example.org/x.tar"]
        assert main([*command, "--hf-eval-results", str(tmp_path)]) == 2
        assert main([*command, "--hf-eval-results", str(tmp_path), "--hf-dataset", "lab/faces"]) == 0
        yaml = pytest.importorskip("yaml")
        entries = yaml.safe_load((tmp_path / ".eval_results/facesr-bicubic.yaml").read_text())
        hub = pytest.importorskip("huggingface_hub")
        if hasattr(hub, "parse_eval_result_entries"):  # the hub's own reader, in its later releases
            (read, *_) = hub.parse_eval_result_entries(entries)
            assert (read.dataset_id, read.task_id) == ("lab/faces", entries[0]["dataset"]["task_id"])
            assert (read.value, read.source_url) == (entries[0]["value"], "https://example.org/x.tar")
        (psnr,) = [entry for entry in entries if entry["dataset"]["task_id"] == "demo-x8.psnr"]
        assert psnr["dataset"]["id"] == "lab/faces"
        assert psnr["value"] == pytest.approx(23.6257, abs=1e-4)
        assert psnr["source"]["url"] == "https://example.org/x.tar"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", psnr["date"])
        assert "protocol demo-x8, profile sparnet" in psnr["notes"]


class TestEveryLevel:
    @pytest.mark.parametrize(("asked", "reached"), [("0", 0), ("1", 1), ("2", 2), ("3", 3), ("all", 3)])
    def test_is_reached_by_an_honest_bundle(
        self, bundle: Path, asked: str, reached: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen = Verified(capsys, bundle, "--level", asked)
        assert (seen.status, seen.levels) == (0, [reached]), seen.text

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
        assert Verified(capsys, path, "--level", "2").status == 1

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


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs/bundles.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if "SBATCH" not in block]
    monkeypatch.chdir(tmp_path)
    for line in "".join(blocks).splitlines():
        program, *arguments = line.split()
        assert (program, main(arguments)) == ("facesr-bench", 0), line
    for folder, labels in (("elsewhere", 2), ("whole", 1)):
        stored = read_results(tmp_path / folder).results
        assert [len(result.images) for result in stored] == [7] * labels


def test_a_bundle_is_compared_with_a_result(results: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(bundle), "bicubic", "--results", str(results)]) == 0
    assert "identical" in capsys.readouterr().out.casefold()


class TestARow:
    def test_stands_in_table_csv_and_page_with_its_badge(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "r"
        facesr_bench.run(["lanczos"], ["demo-x8"], metrics=METRICS, out=root)
        assert main(["add", str(bundle), "--results", str(root), "--level", "2"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"bicubic \(bundle [0-9a-f]{8}\) · re-scored", out)
        assert "not ranked" not in out
        assert 'class="badge"' in (root / "index.html").read_text()
        (page,) = (root / "site/methods").glob("bicubic*.html")
        assert "re-scored; computed here: psnr, ssim; its costs are the sender&#39;s word." in page.read_text()
        main(["table", "--results", str(root), "--format", "csv"])
        rows = {row["method"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
        with Archive(bundle) as archive:
            assert (rows["bicubic"]["bundle"], rows["bicubic"]["verified"]) == (archive.id, "re-scored")
        assert (rows["lanczos"]["bundle"], rows["lanczos"]["verified"]) == ("", "")
        assert main(["add", str(bundle), "--results", str(root), "--level", "2", "--no-report"]) == 2, (
            "it is there already"
        )

    def test_is_equal_to_the_result_that_was_sent(self, results: Path, bundle: Path, tmp_path: Path) -> None:
        root = tmp_path / "r"
        assert main(["add", str(bundle), "--results", str(root), "--level", "2", "--no-report"]) == 0
        (added,) = read_results(root).results
        sent = next(result for result in read_results(results).results if result.label == "bicubic")
        assert {i: row.metrics for i, row in added.images.items()} == {i: row.metrics for i, row in sent.images.items()}
        for image_id in sent.images:
            assert np.array_equal(read_image(added.sr_path(image_id)), read_image(sent.sr_path(image_id)))
        assert main(["bundle", str(root), "--out", str(tmp_path / "x.tar")]) == 2, "the sender's own is to be sent"

    def test_that_was_not_computed_here_is_shown_and_never_ranked(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = tmp_path / "r"
        facesr_bench.run(["nearest"], ["demo-x8"], metrics=METRICS, out=root, limit=2)
        assert main(["add", str(bundle), "--results", str(root), "--level", "1", "--no-report"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"bicubic \(bundle [0-9a-f]{8}\) · consistent +7 \(not ranked\)", out)
        assert re.search(r"^nearest +2 ", out, re.MULTILINE), "two images measured here rank before seven claimed"
        assert main(["add", str(bundle), "--results", str(root), "--level", "0", "--no-report"]) == 2

    def test_has_only_the_metrics_that_were_computed_here(
        self, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["add", str(bundle), "--results", str(tmp_path), "--level", "2", "--metrics", "ssim", "--no-report"]
        assert main(command) == 0
        (added,) = read_results(tmp_path).results
        assert {name for row in added.images.values() for name in row.metrics} == {"ssim"}


@pytest.fixture(scope="module")
def sent(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A bundle of two faces, and its metrics as they are asked for here."""
    weights, folder = shared / "weights", tmp_path_factory.mktemp("learned")
    metrics = [
        "psnr",
        f"lpips@squeeze={weights / 'squeezenet1_1_features.pth'}",
        f"identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}",
        f"nme@pfld-68={weights / 'pfld_68.onnx'}",
    ]
    data = {"helen": shared / "faces" / "helen_test"}
    facesr_bench.run(["bicubic"], ["helen-x8"], metrics=metrics, data=data, limit=2, out=folder / "r")
    path = folder / "x.tar"
    assert main(["bundle", str(folder / "r"), "--out", str(path)]) == 0
    return path, ["--data", f"helen={data['helen']}", "--metrics", ",".join(metrics)]


def test_features_travel_where_asked_and_a_sets_value_is_computed_from_the_pictures(
    tmp_path: Path, inception_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = ["psnr", f"fid[pytorch-fid]@inception-2015={inception_weights}"]
    facesr_bench.run(["bicubic"], ["demo-x8"], metrics=metrics, limit=3, out=tmp_path / "r")
    for name, more in (("plain", []), ("whole", ["--features"])):
        assert main(["bundle", str(tmp_path / "r"), "--out", str(tmp_path / f"{name}.tar"), *more]) == 0
    files = contents(tmp_path / "whole.tar")
    assert sum(name.startswith("1/features/") for name in files) == 3
    assert not any(name.startswith("1/features/") for name in contents(tmp_path / "plain.tar"))
    words = ["--metrics", ",".join(metrics), "--level", "2"]
    for name in ("plain", "whole"):
        seen = Verified(capsys, tmp_path / f"{name}.tar", *words)
        assert (seen.status, seen.levels) == (0, [2]), seen.text

    def better(files: Contents) -> None:
        sets = json.loads(files["1/sets.json"])
        next(iter(sets.values()))["value"] *= 0.9
        files["1/sets.json"] = json.dumps(sets).encode()
        claimed_anew(files)

    lied = changed(tmp_path / "plain.tar", tmp_path / "lied.tar", better)
    seen = Verified(capsys, lied, *words)
    assert (seen.status, seen.levels) == (1, [1])
    assert "fid[pytorch-fid]@inception-2015" in seen.text.split("contradiction", 1)[1]
    facesr_bench.run(["nearest"], ["demo-x8"], metrics=["psnr"], limit=3, out=tmp_path / "none")
    assert main(["bundle", str(tmp_path / "none"), "--out", str(tmp_path / "x.tar"), "--features"]) == 2
    assert "no features of every image" in capsys.readouterr().err


class TestNetworksOfTheUsersOwn:
    """Learned metrics of a bundle, whose networks are files: nobody but the user says where they are."""

    def test_are_given_by_their_files(self, sent: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
        path, words = sent
        seen = Verified(capsys, path, *words, "--level", "2")
        assert (seen.status, seen.levels) == (0, [2]), seen.text
        assert re.search(
            r"\(identity@mobilefacenet-ms1m:\w{8}, lpips@squeeze:\w{8}, nme@pfld-68:\w{8}, psnr\)", seen.text
        )

    def test_that_are_not_given_are_asked_for(
        self, sent: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        path, words = sent
        monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
        # A file of the sender's name that happens to lie here is nobody's word.
        monkeypatch.chdir(tmp_path)
        Path("pfld_68.onnx").write_bytes(b"junk")
        seen = Verified(capsys, path, *words[:2])
        assert (seen.status, seen.levels) == (0, [1])
        assert "--metrics 'nme@pfld-68=FILE', a file whose sha256 begins with" in seen.text
        assert "--metrics psnr verifies those alone" in seen.text
        other = words[-1].replace("pfld_68.onnx", "mobilefacenet_arcface_ms1m.onnx")
        seen = Verified(capsys, path, *words[:2], "--metrics", other, "--level", "2")
        assert (seen.status, seen.levels) == (1, [1])
        assert "'nme@pfld-68=FILE', a file whose sha256 begins with" in seen.text
        assert "identity@mobilefacenet-ms1m:b7120c09,lpips@squeeze:d3656a56,psnr verifies those alone" in seen.text
        gone = Verified(capsys, path, *words[:2], "--metrics", "nme@pfld-68=/no/such", "--level", "2")
        assert (gone.status, gone.levels) == (1, [1])
        assert "no such file: /no/such" in gone.text
        typo = Verified(capsys, path, *words[:2], "--metrics", "psnr,lpips@squeeeze", "--level", "2")
        assert (typo.status, typo.levels) == (1, [1])
        assert "did you mean" in typo.text

    @pytest.mark.parametrize("metric", ["lpips", "identity", "nme"])
    def test_see_a_better_value_with_the_means_to_match(
        self, sent: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str
    ) -> None:
        path, words = sent

        def better(files: Contents) -> None:
            def lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
                (name,) = [key for key in rows[0]["metrics"] if key.startswith(f"{metric}@")]
                rows[0]["metrics"][name] += 0.01
                return rows

            with_lines(files, lines, "1/images.jsonl")
            claimed_anew(files)

        lied = changed(path, tmp_path / "lied.tar", better)
        assert Verified(capsys, lied, "--level", "1").status == 0
        seen = Verified(capsys, lied, *words, "--level", "2")
        assert (seen.status, seen.levels) == (1, [1])
        assert f"{metric}@" in seen.text.split("contradiction", 1)[1]


def test_a_row_that_another_process_is_at_is_not_added_over(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["add", str(bundle), "--results", str(tmp_path / "there"), "--no-report"]
    assert main(command) == 0
    (row,) = read_results(tmp_path / "there").results
    shutil.rmtree(row.folder)
    lock = ResultLock(tmp_path / "there", row.folder)
    assert lock.take(wait=False)
    capsys.readouterr()
    assert main(command) != 0
    assert "another run works on it (process " in capsys.readouterr().err
    assert not row.folder.exists(), "nothing is written"
    lock.release()
    assert main(command) == 0
    assert read_results(tmp_path / "there").results[0].manifest.origin is not None
