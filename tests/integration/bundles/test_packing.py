"""A result leaves the machine it was made on: packed, and what the file says of its sender."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import facesr_bench
from facesr_bench.cli import main
from facesr_bench.results.bundle.archive import Archive
from facesr_bench.results.checks import sealed
from facesr_bench.results.store import read_results
from tests.bundle_tools import (
    METRICS,
    Verified,
    contents,
)


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


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "docs/bundles.md").read_text(encoding="utf-8")
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
