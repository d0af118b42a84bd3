"""`run`, end to end: numbers, resume, order, batches, and every kind of bad input."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError, PluginError, ResultsError
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.images.files import read_image
from facesr_bench.plugins.method import MethodContext
from facesr_bench.results.checks import sealed
from facesr_bench.results.store import Result, all_results
from facesr_bench.results.summary import summarise
from tests.stored import newest_results

from .conftest import HEAD, MakeMethod

NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


def options(faces: Path, out: Path, *methods: str, **more: Any) -> request.RunRequest:
    return request.RunRequest(methods=methods, protocols=("folder-x8",), data={"folder-x8": faces}, out=out, **more)


def numbers(result: Result) -> dict[str, dict[str, float]]:
    return {image_id: row.metrics for image_id, row in result.rows().items()}


def only(report: request.RunOutcome) -> Result:
    assert len(report.results) == 1
    return report.results[0]


def test_numbers_are_those_of_the_saved_images(faces: Path, tmp_path: Path) -> None:
    """Scored again by hand from the files of the run, with an independent PSNR."""
    result = only(runner.run(options(faces, tmp_path / "out", "bicubic")))
    rows = result.rows()
    assert sorted(rows) == [f"face{i}" for i in range(5)]
    for image_id, row in rows.items():
        hr = Image.open(faces / f"{image_id}.png").convert("RGB")
        lr = hr.resize((8, 8), Image.Resampling.BICUBIC)
        sr = read_image(result.sr_path(image_id))
        assert np.array_equal(sr, np.asarray(lr.resize((64, 64), Image.Resampling.BICUBIC)))
        assert np.array_equal(read_image(result.inputs_folder / "lr" / f"{image_id}.png"), np.asarray(lr))

        def luma(rgb: Any) -> NDArray[np.float64]:
            weights = np.array([65.481, 128.553, 24.966])
            floored: NDArray[np.float64] = np.floor(16 + np.asarray(rgb, np.float64) @ weights / 255)
            return floored

        mse = np.mean((luma(sr) - luma(hr)) ** 2)
        assert row.metrics["psnr"] == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-9)


def test_a_metric_asked_for_twice_is_computed_once(faces: Path, tmp_path: Path) -> None:
    """By two of its columns, say: what a protocol of NTIRE's asks for."""
    report = runner.run(options(faces, tmp_path / "out", "nearest", metrics=("ssim", "psnr", "ssim")))
    assert report.problems == []
    assert set(report.results[0].manifest.metrics) == {"psnr", "ssim"}


def test_second_run_computes_nothing_and_changes_no_number(faces: Path, tmp_path: Path) -> None:
    first = runner.run(options(faces, tmp_path / "out", "bicubic", "nearest"))
    lines = [(r.folder / "images.jsonl").read_bytes() for r in first.results]
    second = runner.run(options(faces, tmp_path / "out", "bicubic", "nearest"))
    assert (first.computed, second.computed) == (10, 0)
    assert [(r.folder / "images.jsonl").read_bytes() for r in second.results] == lines


def test_same_numbers_whatever_batch_order_and_company(faces: Path, tmp_path: Path) -> None:
    """Alone or beside others, in batches of 1, 2 or 16, in one go or limited and resumed: the same bits."""
    reference = numbers(only(runner.run(options(faces, tmp_path / "a", "bicubic-matlab", batch_size=16))))
    for i, batch in enumerate((1, 2)):
        report = runner.run(options(faces, tmp_path / f"b{i}", "nearest", "bicubic-matlab", batch_size=batch))
        assert numbers(report.results[1]) == reference
    runner.run(options(faces, tmp_path / "c", "bicubic-matlab", limit=2))
    report = runner.run(options(faces, tmp_path / "c", "bicubic-matlab"))
    assert report.computed == 3
    assert numbers(only(report)) == reference


@pytest.mark.parametrize("method", ["sparnet-light-3d", "sparnet"])
def test_networks_give_the_same_bits_in_any_batch(method: str, tmp_path: Path) -> None:
    import torch

    from facesr_bench.plugins import registry

    plugin = registry.methods().get(method)
    torch.manual_seed(1)
    path = tmp_path / "random.pth"
    torch.save(plugin.load_class()(MethodContext(plugin.require_card(), scale=8)).network.state_dict(), path)
    loaded = facesr_bench.load_method(method, weights=path)
    batch = torch.rand(3, 3, 128, 128)
    together = loaded.upscale(batch)
    alone = torch.cat([loaded.upscale(batch[i : i + 1]) for i in (2, 0, 1)])[[1, 2, 0]]
    assert torch.equal(together, alone)
    assert torch.equal(together, loaded.upscale(batch))
    assert float(together.min()) >= 0 and float(together.max()) <= 1
    assert not together.requires_grad
    maps: Any = loaded
    masks = maps.attention_maps(batch[:1])
    assert len(masks) == {"sparnet": 16, "sparnet-light-3d": 7}[method]
    assert all(float(m.min()) > 0 and float(m.max()) < 1 for m in masks)


def test_torn_last_line_is_computed_again(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = only(runner.run(options(faces, out, "bicubic")))
    before = numbers(result)
    path = result.folder / "images.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    report = runner.run(options(faces, out, "bicubic"))
    assert report.computed == 1
    assert numbers(only(report)) == before


def test_line_that_lacks_its_newline_alone_is_computed_again(faces: Path, tmp_path: Path) -> None:
    """It is whole, but the next line to be written would take its place."""
    result = only(runner.run(options(faces, tmp_path / "out", "bicubic")))
    before = numbers(result)
    path = result.folder / "images.jsonl"
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:2]))
    report = runner.run(options(faces, tmp_path / "out", "bicubic"))
    assert (report.computed, numbers(only(report))) == (4, before)


def test_unknown_result_format_is_refused(faces: Path, tmp_path: Path) -> None:
    result = only(runner.run(options(faces, tmp_path / "out", "bicubic")))
    path = result.folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {"schema_version": 99}
    path.write_text(sealed(json.dumps(manifest)))
    with pytest.raises(ResultsError, match="format 99"):
        list(all_results(tmp_path / "out"))
    with pytest.raises(ResultsError, match="format 99"):
        runner.run(options(faces, tmp_path / "out", "bicubic"))


def test_two_runs_at_once_write_one_results_folder(faces: Path, tmp_path: Path) -> None:
    """As on two GPUs, with one method in common: both end well, and the numbers are those of a run alone."""
    alone = numbers(only(runner.run(options(faces, tmp_path / "alone", "bicubic"))))
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            asked = (("bicubic", "nearest"), ("bicubic", "lanczos"))
            runs = [pool.submit(runner.run, options(faces, tmp_path / "out", *methods)) for methods in asked]
            reports = [run.result() for run in runs]
        for report in reports:
            assert report.problems == [] and numbers(report.results[0]) == alone
        shutil.rmtree(tmp_path / "out")


def test_resume_modes(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    """A failed image is tried again, unless earlier failures are final; `never` computes everything anew."""
    switch = tmp_path / "broken"
    switch.touch()
    means = sorted(
        float(np.asarray(Image.open(f).resize((8, 8), Image.Resampling.BICUBIC)).mean()) for f in faces.iterdir()
    )
    limit = (means[1] + means[2]) / 2 / 255
    body = f"import os\nif os.path.exists({str(switch)!r}) and lr.mean() > {limit}: raise RuntimeError('no')\n{NEAREST}"
    spec = make_method("moody", body)
    failed = len(runner.run(options(faces, tmp_path / "out", spec, batch_size=1)).problems)
    assert failed == 3
    assert runner.run(options(faces, tmp_path / "out", spec, resume="always")).computed == 0
    switch.unlink()
    again = runner.run(options(faces, tmp_path / "out", spec))
    assert (again.computed, again.problems) == (failed, [])
    assert all(row.error is None for row in only(again).rows().values())
    anew = runner.run(options(faces, tmp_path / "out", spec, resume="never"))
    assert anew.computed == 5
    assert (only(anew).folder / "images.jsonl.previous").is_file()


def test_metric_added_later_is_scored_from_the_saved_images(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    ran = tmp_path / "ran"
    spec = make_method("counted", f"open({str(ran)!r}, 'a').write('x')\n{NEAREST}")
    runner.run(options(faces, tmp_path / "out", spec, metrics=("psnr",), batch_size=1))
    assert len(ran.read_text()) == 5
    report = runner.run(options(faces, tmp_path / "out", spec, metrics=("psnr", "ssim")))
    assert (len(ran.read_text()), report.computed) == (5, 5)
    reference = only(runner.run(options(faces, tmp_path / "fresh", spec)))
    assert numbers(only(report)) == numbers(reference)


def test_other_data_code_or_profile_never_share_a_result(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    out = tmp_path / "out"
    spec = make_method("mine", NEAREST)
    folders = [only(runner.run(options(faces, out, spec))).folder]
    folders.append(only(runner.run(options(faces, out, spec, profile="dic"))).folder)
    code = Path(spec) / "method.py"
    code.write_text(code.read_text() + "# changed\n")
    folders.append(only(runner.run(options(faces, out, spec))).folder)
    picture = read_image(faces / "face0.png")
    picture[0, 0, 0] ^= 1
    Image.fromarray(picture).save(faces / "face0.png")
    folders.append(only(runner.run(options(faces, out, spec))).folder)
    assert len(set(folders)) == 4
    newest = {r.profile: r.folder for r in newest_results(out)}
    assert newest == {"sparnet": folders[3], "dic": folders[1]}


def test_identical_images_score_infinity(faces: Path, tmp_path: Path) -> None:
    """x1 pairs with the same pictures: bicubic returns them unchanged. PSNR is inf on disk, in the table, in csv."""
    pairs = tmp_path / "pairs"
    for side in ("HR", "LR"):
        (pairs / side).mkdir(parents=True)
        for path in faces.iterdir():
            (pairs / side / path.name).write_bytes(path.read_bytes())
    data = {"folder-pairs-x1": pairs}
    frame = facesr_bench.run(["bicubic"], ["folder-pairs-x1"], data, out=tmp_path / "out").frame
    assert frame.loc[0, "psnr"] == math.inf and frame.loc[0, "ssim"] == 1
    line = next((tmp_path / "out").glob("*/*/*/images.jsonl")).read_text().splitlines()[0]
    assert json.loads(line)["metrics"]["psnr"] == "inf"


def test_without_ground_truth(faces: Path, tmp_path: Path) -> None:
    """LR only: images are saved; asking for PSNR leaves a reason, not a number."""
    report = runner.run(
        request.RunRequest(
            ("bicubic",), ("folder-lr-x4",), {"folder-lr-x4": faces}, out=tmp_path / "out", metrics=("psnr",)
        )
    )
    result = only(report)
    assert report.problems == []
    for image_id, row in result.rows().items():
        assert row.metrics == {} and "ground truth" in row.reasons["psnr"]
        assert read_image(result.sr_path(image_id)).shape == (256, 256, 3)


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("shape", "return lr", "returned 8x8 px; expected 64x64"),
        ("planes", NEAREST + "[:, :1]", "returned shape"),
        ("nan", NEAREST + " * float('nan')", "NaN"),
        ("range", NEAREST + " * 255", "expected [0, 1]"),
        ("raises", "raise RuntimeError('out of cheese')", "out of cheese"),
        ("dtype", NEAREST + ".double()", "expected float32"),
        ("array", "return lr.numpy()", "not a tensor"),
    ],
)
def test_broken_method_costs_its_own_row(
    faces: Path, tmp_path: Path, make_method: MakeMethod, name: str, body: str, expected: str
) -> None:
    report = runner.run(options(faces, tmp_path / "out", make_method(name, body), "bicubic"))
    broken, good = report.results
    assert all(expected in (row.error or "") for row in broken.rows().values()) and len(broken.rows()) == 5
    assert all(row.error is None for row in good.rows().values()) and len(good.rows()) == 5
    assert len(report.problems) == 5 and "image face0" in report.problems[0]


def test_one_bad_image_costs_only_itself(faces: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    """A method that fails on one image of a batch still gets the others."""
    target = float(np.asarray(Image.open(faces / "face2.png").resize((8, 8), Image.Resampling.BICUBIC))[0, 0, 0]) / 255
    body = f"if ((lr[:, 0, 0, 0] - {target}).abs() < 1e-6).any(): raise ValueError('this one')\n{NEAREST}"
    report = runner.run(options(faces, tmp_path / "out", make_method("picky", body), batch_size=5))
    rows = only(report).rows()
    assert [i for i, row in rows.items() if row.error] == ["face2"]


@pytest.mark.parametrize("kind", ["truncated", "empty", "text"])
def test_corrupt_picture_costs_only_itself(faces: Path, tmp_path: Path, kind: str) -> None:
    path = faces / "face1.png"
    path.write_bytes({"truncated": path.read_bytes()[:900], "empty": b"", "text": b"hello"}[kind])
    report = runner.run(options(faces, tmp_path / "out", "bicubic", "nearest"))
    for result in report.results:
        rows = result.rows()
        assert "face1.png" in (rows["face1"].error or "")
        assert sum(row.error is None for row in rows.values()) == 4
    assert len(report.problems) == 2


def test_sizes_that_do_not_fit(faces: Path, tmp_path: Path) -> None:
    Image.new("RGB", (60, 64)).save(faces / "face3.png")
    rows = only(runner.run(options(faces, tmp_path / "out", "bicubic"))).rows()
    assert "60x64, not a multiple of scale 8" in (rows["face3"].error or "")
    pairs = tmp_path / "pairs"
    for side, size in (("HR", 64), ("LR", 10)):
        (pairs / side).mkdir(parents=True)
        Image.new("RGB", (size, size)).save(pairs / side / "a.png")
    report = runner.run(
        request.RunRequest(("bicubic",), ("folder-pairs-x8",), {"folder-pairs-x8": pairs}, out=tmp_path / "out2")
    )
    assert "HR must be 80x80" in (only(report).rows()["a"].error or "")


def test_method_of_another_size(faces: Path, tmp_path: Path) -> None:
    """SPARNet makes 128 px; 64 px faces are refused image by image, clearly."""
    import torch

    from facesr_bench.plugins import registry

    plugin = registry.methods().get("sparnet-light-3d")
    path = tmp_path / "random.pth"
    torch.save(plugin.load_class()(MethodContext(plugin.require_card(), scale=8)).network.state_dict(), path)
    report = runner.run(options(faces, tmp_path / "out", f"sparnet-light-3d@{path}"))
    assert all("its LR must be 16x16, not 8x8" in (row.error or "") for row in only(report).rows().values())


def test_a_method_that_needs_ffhq_alignment_is_refused_on_other_faces(
    faces: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    spec = make_method("aligned-only", NEAREST)
    card = Path(spec) / "card.toml"
    card.write_text("needs_ffhq_alignment = true\n" + card.read_text())
    refused = runner.run(options(faces, tmp_path / "out", spec, "bicubic"))
    assert len(refused.problems) == 1 and len(refused.results[1].rows()) == 5
    for words in ("aligned-only needs faces aligned as in FFHQ", "folder-x8 does not promise them", "--assume-aligned"):
        assert words in str(refused.results[0].manifest.error)
    result = only(runner.run(options(faces, tmp_path / "out2", spec, assume_aligned=True)))
    assert len(result.rows()) == 5
    assert result.manifest.method.assumed_aligned
    assert not refused.results[1].manifest.method.assumed_aligned
    assert "--assume-aligned" in summarise([result])[0].notes()[0]


def test_alignment_is_asked_about_before_weights_that_would_be_fetched_for_nothing(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    refused = runner.run(options(faces, tmp_path / "out", "gfpgan"))
    assert "gfpgan needs faces aligned as in FFHQ" in refused.problems[0]
    assert "weights fetch" not in refused.problems[0]
    assumed = runner.run(options(faces, tmp_path / "out", "gfpgan", assume_aligned=True))
    assert "weights fetch gfpgan@v1.4" in assumed.problems[0]


def test_failed_import_and_missing_weights_keep_a_row_with_the_reason(
    faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    spec = make_method("unimportable", NEAREST, head="import no_such_module\n" + HEAD)
    report = runner.run(options(faces, tmp_path / "out", spec, "sparnet@official", "bicubic"))
    assert [r.label for r in report.results] == ["unimportable", "sparnet@official", "bicubic"]
    failed, missing, good = report.results
    assert "no_such_module" in str(failed.manifest.error) and "Traceback" in str(failed.manifest.error_details)
    assert "not on this machine" in str(missing.manifest.error)
    assert len(good.rows()) == 5 and len(report.problems) == 2
    stored = {result.label: result.manifest.error for result in newest_results(tmp_path / "out")}
    assert "no_such_module" in str(stored["unimportable"]) and stored["bicubic"] is None


def test_protocol_without_data_does_not_take_the_others_down(faces: Path, tmp_path: Path) -> None:
    report = runner.run(
        request.RunRequest(("bicubic",), ("helen-x8", "folder-x8"), {"folder-x8": faces}, out=tmp_path / "out")
    )
    assert [r.protocol for r in report.results] == ["folder-x8"]
    assert len(report.problems) == 1 and "--data helen" in report.problems[0]


def test_wrong_names_are_told_before_any_work(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="did you mean 'bicubic'"):
        runner.run(options(faces, tmp_path / "out", "bicubicc"))
    with pytest.raises(FaceSRBenchError, match="did you mean 'ssim'"):
        runner.run(options(faces, tmp_path / "out", "bicubic", metrics=("sim",)))
    with pytest.raises(FaceSRBenchError, match="did you mean 'sparnet'"):
        runner.run(options(faces, tmp_path / "out", "bicubic", profile="spanet"))
    assert not (tmp_path / "out").exists()


def test_unwritable_output(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="file"):
        runner.run(options(faces, tmp_path / "file" / "out", "bicubic"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_output(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(ResultsError, match="choose another folder"):
        runner.run(options(faces, out, "bicubic"))


def test_full_disk_is_a_failed_run_that_says_so(faces: Path, tmp_path: Path) -> None:
    """The kernel refuses files over 7,000 bytes, as a full disk refuses any: exit status 2 and the file's name."""
    script = (
        "import resource, signal, sys\n"
        "from facesr_bench.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["run", "--methods", "nearest", "--protocols", "folder-x8", "--data", f"folder-x8={faces}"]
    command = [sys.executable, "-c", script, *arguments, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "can't be written" in done.stderr and "face0.png" in done.stderr and "Traceback" not in done.stderr


def test_hostile_image_names_stay_in_their_folder(faces: Path, tmp_path: Path) -> None:
    names = ['"><script>alert(1)<', "a..b", "%2e%2e", "a b&c#d?e", "x" * 200]
    for path, name in zip(sorted(faces.iterdir()), names, strict=True):
        path.rename(faces / f"{name}.png")
    result = only(runner.run(options(faces, tmp_path / "out", "bicubic")))
    rows = result.rows()
    assert sorted(rows) == sorted(names) and all(row.error is None for row in rows.values())
    for name in names:
        assert result.sr_path(name).resolve().parent == (result.folder / "sr").resolve()
        assert result.sr_path(name).is_file()


def test_frame_of_a_run(faces: Path, tmp_path: Path) -> None:
    scores = facesr_bench.run(["bicubic", "nearest"], ["folder-x8"], data={"folder": faces}, out=tmp_path / "out")
    frame = scores.frame
    assert list(frame.columns[:7]) == ["protocol", "method", "weights", "profile", "n", "psnr", "ssim"]
    assert list(frame["method"]) == ["bicubic", "nearest"] and list(frame["n"]) == [5, 5]
    assert scores.problems == ()


def test_bf16_is_another_row(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    """bf16 is shown in the label, never shares a result with fp32, and stays close to it."""
    import torch

    from facesr_bench.plugins import registry

    plugin = registry.methods().get("sparnet-light-3d")
    torch.manual_seed(2)
    path = tmp_path / "random.pth"
    torch.save(plugin.load_class()(MethodContext(plugin.require_card(), scale=8)).network.state_dict(), path)
    face = tmp_path / "face"
    face.mkdir()
    Image.fromarray(astronaut[:128, :128]).save(face / "a.png")
    images = []
    for precision in ("fp32", "bf16"):
        result = only(runner.run(options(face, tmp_path / "out", f"sparnet-light-3d@{path}", precision=precision)))
        assert result.label.endswith("(bf16)") == (precision == "bf16")
        assert result.rows()["a"].error is None
        images.append(read_image(result.sr_path("a")).astype(int))
    assert 0 < np.abs(images[0] - images[1]).max() <= 8
