"""`run --backend torch-compile` and `cuda-graphs`, as far as a CPU can tell; tests/gpu has the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError, MethodError
from facesr_bench.evaluation import ahead, in_torch, worker
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.predict import upscale
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.plugins.method import MethodBase
from facesr_bench.results.summary import summarise

from .conftest import HEAD, MakeMethod
from .test_backend import cache, differing, exportable, network, run_one
from .test_jobs import NEAREST, asked, files, rows

__all__ = ["cache", "network"]  # fixtures


def no_compiler() -> str | None:
    try:
        in_torch.check(in_torch.COMPILED, "cpu")
    except FaceSRBenchError as error:
        return str(error)
    return None


needs_compiler = pytest.mark.skipif(no_compiler() is not None, reason=str(no_compiler()))


@needs_compiler
def test_a_compiled_network_makes_the_same_pictures_in_a_row_of_its_own(
    faces: Path, tmp_path: Path, network: str, cache: Path
) -> None:
    out = tmp_path / "out"
    plain, other = run_one(faces, out, network), run_one(faces, out, network, backend="torch-compile")
    count, largest = differing(plain, other)
    assert count <= 5 and largest <= 1, "of 61,440 values: what rounding does to the last bit of a sum"
    assert (plain.label, other.label) == ("small", "small (torch-compile)")
    assert plain.manifest.fingerprint != other.manifest.fingerprint
    made = other.manifest.method.exported
    assert made is not None and made.exporter is None and other.manifest.method.backend == "torch-compile"
    assert made.largest <= 1 and made.faces == 4 and made.words in summarise([other])[0].notes()
    assert (
        made.words.startswith(f"computed by torch {torch.__version__.split('+')[0]}") and "compiled with" in made.words
    )
    assert other.manifest.method.cost == plain.manifest.method.cost, "operations are those of the network as it is"
    maps = {name: content for name, content in files(plain).items() if name.startswith("attention/")}
    assert maps and maps == {k: v for k, v in files(other).items() if k.startswith("attention/")}
    assert not list((cache / "networks").rglob("*.onnx")) and len(list((cache / "networks").rglob("*.json"))) == 1
    for how in ({"batch_size": 2}, {"isolate": True}, {"executor": "processes"}):
        again = run_one(faces, tmp_path / "-".join(how), network, backend="torch-compile", **how)
        assert rows(again) == rows(other) and files(again) == files(other), how


def sizes_and_batches(name: str) -> None:
    """A method compiled, against itself as it is: pictures of several sizes, alone and in batches."""
    plain = facesr_bench.load_method(name)
    compiled = in_torch.in_torch(plain, in_torch.COMPILED)
    drawn = torch.Generator().manual_seed(1)
    for height, width in ((128, 128), (64, 64), (96, 160)):
        lr = torch.rand(3, 3, height, width, generator=drawn)
        expected, found = plain.upscale(lr), compiled.upscale(lr)
        gap = ((255 * found).round() - (255 * expected).round()).abs()
        assert gap.max() <= 1 and (gap > 0).float().mean() < 1e-3, (height, width)
        assert torch.equal(compiled.upscale(lr[1:2]), found[1:2]), "alone as in a batch"
        assert torch.equal(compiled.upscale(lr[:2]), found[:2])


@needs_compiler
def test_a_compiled_network_takes_several_sizes_and_batches() -> None:
    sizes_and_batches("srcnn")


@needs_compiler
@pytest.mark.full
@pytest.mark.parametrize("name", ["sparnet", "sparnet-light-3d", "edsr"])
def test_the_networks_that_ship_take_several_sizes_and_batches(name: str) -> None:
    sizes_and_batches(name)


class Filled(in_torch.InTorch):
    """As on a GPU: four pictures at once."""

    def _together(self, lr: torch.Tensor) -> int:
        return 4


def test_batches_are_cut_and_filled_up_to_one_size() -> None:
    plain, begun = facesr_bench.load_method("srcnn"), []

    def begin(lr: torch.Tensor) -> in_torch.Upscale:
        begun.append(tuple(lr.shape))
        return plain.upscale

    method = Filled(plain, begin)
    lr = torch.rand(9, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    expected = plain.upscale(lr)
    for count in (1, 3, 4, 6, 9):
        assert torch.equal(method.upscale(lr[:count]), expected[:count])
    assert begun == [(4, 3, 32, 32)]
    for side in range(40, 40 + 8 * (in_torch.SIZES - 1), 8):
        method.upscale(torch.zeros(1, 3, side, side))
    with pytest.raises(MethodError, match="pictures of 8 sizes went before"):
        method.upscale(torch.zeros(1, 3, 200, 200))
    assert torch.equal(method.upscale(lr), expected), "the sizes before go on"


def test_what_can_not_work_is_refused_at_once(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        FaceSRBenchError, match=r"cuda-graphs is for a GPU .*; on a CPU there is --backend torch-compile"
    ):
        runner.run(asked(faces, tmp_path / "out", "srcnn", backend="cuda-graphs", device="cpu"))
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": "/nowhere"})
    if in_torch._compiler("cpu") is not None:
        with pytest.raises(FaceSRBenchError, match=r"needs Python's C headers .*apt install python3-dev"):
            in_torch.check("torch-compile", "cpu")
    monkeypatch.setattr(in_torch, "find_spec", lambda name: object())
    monkeypatch.setenv("CC", "/nowhere/gcc")
    with pytest.raises(FaceSRBenchError, match=r"needs a C compiler on a GPU, for what triton .*install gcc"):
        in_torch.check("torch-compile", "cuda:1")
    monkeypatch.setattr(in_torch, "find_spec", lambda name: None)
    with pytest.raises(FaceSRBenchError, match="torch-compile needs triton on a GPU: pip install triton"):
        in_torch.check("torch-compile", "cuda")
    with pytest.raises(
        FaceSRBenchError, match="backend 'compile': it must be one of torch, torch-compile, cuda-graphs"
    ):
        RunRequest(methods=("srcnn",), backend="compile")


def test_without_a_compiler_the_command_line_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", "srcnn", "--backend", "torch-compile"]
    command += ["--device", "cpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={"CXX": "/nowhere/g++", "PATH": ""})
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    said = " ".join(done.stderr.split())
    assert "needs a C++ compiler on a CPU, and there is none here: install g++ (Debian: apt install g++)" in said


@needs_compiler
def test_what_is_no_network_fails_with_words_and_the_others_go_on(
    faces: Path, tmp_path: Path, network: str, make_method: MakeMethod
) -> None:
    drawing = exportable(make_method("drawing", f"return torch.rand_like({NEAREST.removeprefix('return ')})"))
    card = Path(drawing) / "card.toml"
    card.write_text(card.read_text() + "deterministic = false\nseed = 1\n")
    body = "import numpy\nreturn torch.from_numpy(numpy.random.permutation(lr.numpy().ravel())).reshape(lr.shape)"
    strange = exportable(make_method("strange", f"print(lr.sum().item())\n{body}", input="bicubic"))
    outcome = runner.run(asked(faces, tmp_path / "out", "bicubic", drawing, strange, network, backend="torch-compile"))
    said = dict(zip(("bicubic", "drawing", "strange"), outcome.problems, strict=True))
    assert "bicubic is run as it is: its card doesn't say `exportable = true`" in said["bicubic"]
    assert "drawing draws random numbers: leave --backend torch-compile out for it" in said["drawing"]
    assert "torch can't make strange faster for pictures of 128x128 px" in said["strange"]
    assert [result.manifest.error is None for result in outcome.results] == [False, False, False, True]


def test_what_is_made_ready_ahead_changes_no_number(
    faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside a GPU, on a CPU: the next batch is sorted out by another thread."""
    (faces / "face2.png").write_bytes(b"damaged")
    fails = make_method("fails", "if lr.shape[0] == 1 and lr.mean() > 0.4: raise ValueError('no')\n" + NEAREST)
    methods = ("bicubic", fails, "srcnn")
    more: dict[str, Any] = {"batch_size": 2, "attention": 0}
    plain = runner.run(asked(faces, tmp_path / "plain", *methods, **more))
    taken: list[bool] = []

    class Watched(ahead.Ahead):
        def take(self, batch: Any) -> Any:
            found = super().take(batch)
            taken.append(found is not None)
            return found

    monkeypatch.setattr(worker, "beside", lambda device: True)
    monkeypatch.setattr("facesr_bench.evaluation.predictor.Ahead", Watched)
    other = runner.run(asked(faces, tmp_path / "other", *methods, **more))
    assert taken.count(True) >= 2 and other.problems == plain.problems
    for one, two in zip(plain.results, other.results, strict=True):
        assert rows(one) == rows(two) and files(one) == files(two)


def test_only_the_engines_own_code_runs_ahead(make_method: MakeMethod, tmp_path: Path) -> None:
    own = HEAD.replace("    def upscale", "    def given(self, lr):\n        return lr\n    def upscale")
    plain = facesr_bench.load_method("srcnn")
    assert ahead.Ahead.fits(plain) and ahead.Ahead.fits(Filled(plain, lambda lr: plain.upscale))
    assert not ahead.Ahead.fits(facesr_bench.load_method(make_method("own", NEAREST, head=own)))


def test_a_batch_that_was_not_made_ready_is_made_when_it_is_asked_for() -> None:
    """Another one than was announced, and one whose images it can't do, come out as without."""
    from facesr_bench.evaluation.inputs import Loaded
    from facesr_bench.evaluation.scorer import Prepared
    from facesr_bench.plugins.sample import Sample

    method: MethodBase = facesr_bench.load_method("srcnn")
    grey = torch.full((16, 16, 3), 90, dtype=torch.uint8).numpy()
    one, two = (Loaded(name, Prepared(Sample(name, grey))) for name in "ab")
    ready = ahead.Ahead(method, "folder-x8")
    ready.begin([one])
    assert ready.take([two]) is None and ready.take([one]) is None, "what was announced is gone, too"
    ready.begin([one, two])
    found = ready.take([one, two])
    assert found is not None and found.tensors is not None and found.tensors[0].shape[0] == 2
    outputs = upscale(method, [one, two], "folder-x8", found)
    expected = upscale(method, [one, two], "folder-x8")
    assert all((a.sr == b.sr).all() for a, b in zip(outputs, expected, strict=True) if a.sr is not None is not b.sr)
    ready.close()
