"""`run --backend`: the network as exported, by another runtime; its rows are marked, and results of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation import backend
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.images.files import read_image
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise

from .conftest import MakeMethod
from .test_jobs import asked, files, rows

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

NETWORK = """
import torch
from torch import nn
from facesr_bench import AttentionMaps, MethodBase

class Method(MethodBase, AttentionMaps):
    def load(self):
        torch.manual_seed(3)
        self.network = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 3, 5, padding=2))
        self.network.eval().requires_grad_(False)
    def attention_maps(self, lr):
        return [self.network(lr).sigmoid()]
    def upscale(self, lr):
"""
UPSCALE = "return (lr + self.network(lr)).clamp(0, 1)"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network(make_method: MakeMethod) -> str:
    """A small network that shows where it looks."""
    return exportable(make_method("small", UPSCALE, input="bicubic", head=NETWORK))


def exportable(folder: str) -> str:
    card = Path(folder) / "card.toml"
    card.write_text(card.read_text() + "exportable = true\n")
    return folder


def run_one(faces: Path, out: Path, method: str, **more: Any) -> Result:
    outcome = runner.run(asked(faces, out, method, metrics=("psnr", "ssim"), **more))
    assert outcome.problems == []
    return outcome.results[0]


def differing(one: Result, other: Result) -> tuple[int, int]:
    """How many 8-bit values of the pictures differ, and by how many levels at most."""
    pairs = [(read_image(one.sr_path(i)), read_image(other.sr_path(i))) for i in one.rows()]
    gaps = np.concatenate([np.abs(a.astype(np.int16) - b).ravel() for a, b in pairs])
    return int(np.count_nonzero(gaps)), int(gaps.max())


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_another_runtime_makes_the_same_pictures_in_a_row_of_its_own(
    faces: Path, tmp_path: Path, network: str, runtime: str, cache: Path
) -> None:
    out = tmp_path / "out"
    plain, other = run_one(faces, out, network), run_one(faces, out, network, backend=runtime)
    count, largest = differing(plain, other)
    assert count <= 5 and largest <= 1, "of 61,440 values: what rounding does to the last bit of a sum"
    for image_id, row in plain.rows().items():
        assert other.rows()[image_id].metrics == pytest.approx(row.metrics, abs=0.01)
    assert (plain.label, other.label) == ("small", f"small ({runtime})")
    assert plain.folder != other.folder and plain.manifest.fingerprint != other.manifest.fingerprint
    made = other.manifest.method.exported
    assert plain.manifest.method.exported is None and made is not None
    assert (other.manifest.method.backend, made.faces, made.values) == (runtime, 4, 4 * 3 * 128 * 128)
    assert made.differing <= 20 and made.largest <= 1
    assert made.words in summarise([other])[0].notes()
    assert other.manifest.request is not None and other.manifest.request.options["backend"] == runtime
    maps = {name: content for name, content in files(plain).items() if name.startswith("attention/")}
    assert maps and maps == {k: v for k, v in files(other).items() if k.startswith("attention/")}, "torch's maps"
    shutil.rmtree(cache / "networks")
    again = runner.run(asked(faces, out, network, metrics=("psnr", "ssim"), backend=runtime))
    assert again.computed == 0 and not (cache / "networks").exists(), "nothing to do needs no network"
    assert again.results[0].manifest.method.exported == made


def test_it_is_exported_once_and_checked_when_it_is(faces: Path, tmp_path: Path, network: str, cache: Path) -> None:
    first = run_one(faces, tmp_path / "a", network, backend="onnxruntime")
    (file,) = (cache / "networks").rglob("*.onnx")
    written = file.stat().st_mtime_ns
    assert json.loads((file.parent / "fp32-cpu.json").read_text())["differing"] <= 20
    for how in ({"isolate": True}, {"executor": "processes"}):
        other = run_one(faces, tmp_path / "-".join(how), network, backend="onnxruntime", **how)
        assert rows(other) == rows(first) and files(other) == files(first), how
    assert file.stat().st_mtime_ns == written
    method = Path(network) / "method.py"
    method.write_text(method.read_text().replace("manual_seed(3)", "manual_seed(4)"))
    run_one(faces, tmp_path / "a", network, backend="onnxruntime")
    assert len(list((cache / "networks").rglob("*.onnx"))) == 2, "other code is another network"


def test_bf16_is_marked_and_says_how_far_it_is(faces: Path, tmp_path: Path, network: str) -> None:
    result = run_one(faces, tmp_path / "out", network, backend="openvino", precision="bf16")
    made = result.manifest.method.exported
    assert result.label == "small (openvino, bf16)" and made is not None and made.precision == "bf16"
    assert made.largest <= 4, "8 bits of mantissa"


def test_a_method_that_can_not_be_exported_says_so_and_the_others_go_on(
    faces: Path, tmp_path: Path, network: str, make_method: MakeMethod
) -> None:
    through_numpy = (
        "import numpy\nreturn torch.from_numpy(numpy.frombuffer(lr.numpy().tobytes(), 'f4').reshape(lr.shape))"
    )
    lies = exportable(make_method("lies", through_numpy, input="bicubic"))
    other = "x = 0.5 if torch.compiler.is_exporting() else 1\nreturn lr * x"
    two_faced = exportable(make_method("two-faced", other, input="bicubic"))
    outcome = runner.run(asked(faces, tmp_path / "out", "bicubic", lies, two_faced, network, backend="openvino"))
    said = dict(zip(("bicubic", "lies", "two-faced"), outcome.problems, strict=True))
    assert "bicubic (openvino): bicubic is run as it is: its card doesn't say `exportable = true`" in said["bicubic"]
    assert "torch can't trace its `upscale`" in said["lies"]
    assert "its ONNX file differs by" in said["two-faced"] and "was not kept" in said["two-faced"]
    assert [result.manifest.error is None for result in outcome.results] == [False, False, False, True]
    assert outcome.computed == 5


def test_a_runtime_that_makes_other_pictures_is_refused(
    faces: Path, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "LEVELS", -1)
    outcome = runner.run(asked(faces, tmp_path / "out", network, backend="openvino"))
    assert "makes other pictures of it than torch as it is, by up to 0 levels" in outcome.problems[0]


def test_what_no_method_could_be_run_with_is_refused_at_once(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FaceSRBenchError, match="onnxruntime computes networks as they were exported, in fp32"):
        runner.run(asked(faces, tmp_path / "out", "srcnn", backend="onnxruntime", precision="bf16"))
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(FaceSRBenchError, match=r"needs openvino: pip install 'facesr-bench\[openvino\]'"):
        runner.run(asked(faces, tmp_path / "out", "srcnn", backend="openvino"))
    with pytest.raises(FaceSRBenchError, match="backend 'tensorrt': it must be one of torch, torch-compile"):
        RunRequest(methods=("srcnn",), backend="tensorrt")


@pytest.mark.full
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_networks_that_ship_make_the_same_pictures(tmp_path: Path, runtime: str) -> None:
    asked_for = ("sparnet", "sparnet-light-3d", "edsr", "srcnn")
    more: dict[str, Any] = {"metrics": ("psnr",), "attention": 0, "out": tmp_path}
    plain, other = (runner.run(RunRequest(asked_for, backend=name, **more)) for name in ("torch", runtime))
    assert plain.problems == other.problems == []
    for one, two in zip(plain.results, other.results, strict=True):
        count, largest = differing(one, two)
        print(f"{two.label}: {count} of {7 * 3 * 128 * 128:,} values of 8 bits differ, by {largest} at most")
        assert count <= 100 and largest <= 1
