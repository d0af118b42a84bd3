"""`facesr-bench export`: the file computes what the method computes, says how it is called, and is a row by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_bench.base.errors import FaceSRBenchError, MethodError, PluginError
from facesr_bench.cli import main
from facesr_bench.evaluation.export import beside, compare, opened, to_int8, to_onnx
from facesr_bench.evaluation.request import Progress, RunRequest
from facesr_bench.plugins.network_file import PROPERTY

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SRCNN, the quickest of the bundled networks, as a file."""
    path = tmp_path_factory.mktemp("export") / "srcnn.onnx"
    to_onnx(opened("srcnn", 8), path)
    return path


def stated(path: Path) -> dict[str, Any]:
    properties = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    found: dict[str, Any] = json.loads(properties[PROPERTY])
    return found


def test_the_file_says_how_it_is_called_and_what_it_is(exported: Path) -> None:
    said = stated(exported)
    assert (said["input"], said["range"], said["colours"], said["scale"]) == ("bicubic", [0.0, 1.0], "rgb", 1)
    assert said["weights"] == "bundled"
    assert "research use only" in said["licence"]
    assert said["paper"]["year"] == 2016


def test_the_file_names_no_folder_of_the_machine_that_wrote_it(exported: Path) -> None:
    """torch notes a stack trace at each node: another checkout would write another file of the same network."""
    held = exported.read_bytes()
    for folder in (Path(__file__).resolve().parents[2], Path(torch.__file__).parent):
        assert str(folder).encode() not in held
    assert b"stack_trace" not in held


def test_a_checkpoint_of_others_is_exported_too(tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel.architectures.ESRGAN")
    torch.manual_seed(0)
    torch.save(spandrel.ESRGAN(num_filters=8, num_blocks=1, scale=4).state_dict(), tmp_path / "x4.pth")
    source = opened(f"spandrel:{tmp_path / 'x4.pth'}", 4)
    path = to_onnx(source, tmp_path / "x4.onnx").path
    x = torch.rand(1, 3, 16, 16)
    assert torch.allclose(opened(f"onnx:{path}", 4).method.upscale(x), source.method.upscale(x), atol=1e-5)


def test_the_file_is_a_row_by_itself_that_equals_its_method_s(exported: Path, tmp_path: Path) -> None:
    source = opened("srcnn", 8)

    def request(methods: Any) -> RunRequest:
        return RunRequest(methods=methods, limit=3, metrics=("psnr", "ssim"), out=tmp_path, device="cpu")

    outcome, (found,) = compare(source, [exported], request, Progress())
    assert outcome.problems == []
    assert (found.n, found.values) == (3, 3 * 128 * 128 * 3)
    assert found.largest <= 1
    assert found.differing < found.values / 10_000
    assert abs(found.differences["psnr"][0]) < 1e-3
    assert found.faster > 0


def test_any_size_goes_through_where_the_method_takes_any(exported: Path) -> None:
    source = opened("srcnn", 8)
    again = opened(f"onnx:{exported}", 8)
    for height, width in ((8, 24), (31, 17)):
        x = torch.rand(1, 3, height, width)
        assert torch.allclose(again.method.upscale(x), source.method.upscale(x), atol=1e-5)


def test_int8_is_another_network_that_says_so(exported: Path, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(faces / f"{i}.png")
    source = opened("srcnn", 8)
    first = to_onnx(source, tmp_path / "net.onnx")
    path = to_int8(source, first, beside(first.path), faces).path
    assert path.name == "net-int8.onnx"
    assert path.stat().st_size < first.size / 2
    assert stated(path)["title"].endswith("int8")
    assert "calibrated on 3 faces" in stated(path)["summary"]
    x = torch.rand(1, 3, 32, 32)
    difference = (opened(f"onnx:{path}", 8).method.upscale(x) - source.method.upscale(x)).abs()
    assert 1e-4 < float(difference.max()) < 0.2


METHOD = """
import torch
from facesr_bench import MethodBase
class Method(MethodBase):
    def upscale(self, lr):
        {body}
"""
CARD = """
schema_version = 1
kind = "method"
name = "mine"
title = "Mine"
summary = "mine"
input = "lr"
licence = "MIT"
"""


def plugin(folder: Path, body: str, card: str = "") -> Path:
    folder.mkdir()
    (folder / "card.toml").write_text(CARD + card)
    (folder / "method.py").write_text(METHOD.format(body=body))
    return folder


def test_a_plug_in_without_a_word_for_it_is_exported_too(tmp_path: Path) -> None:
    folder = plugin(tmp_path / "mine", 'return torch.nn.functional.interpolate(lr, scale_factor=4, mode="nearest")')
    path = to_onnx(opened(str(folder), 4), tmp_path / "mine.onnx").path
    x = torch.rand(2, 3, 9, 11)
    assert torch.equal(opened(f"onnx:{path}", 4).method.upscale(x), opened(str(folder), 4).method.upscale(x))
    assert stated(path)["scale"] == 4


def test_what_can_t_be_traced_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "bicubic.onnx"
    with pytest.raises(PluginError, match=r"bicubic can't be exported.*nothing done by Pillow"):
        to_onnx(opened("bicubic", 8), path)
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_draws_is_no_file(tmp_path: Path) -> None:
    folder = plugin(tmp_path / "mine", "return lr", "deterministic = false\nseed = 0\n")
    with pytest.raises(MethodError, match="draws random numbers"):
        to_onnx(opened(str(folder), 1), tmp_path / "mine.onnx")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["srcnn", "--onnx", "x.pth"], "must end in .onnx"),
        (["srcnn", "--onnx", "x.onnx", "--int8"], "--int8 needs --faces DIR"),
        (["scrnn", "--onnx", "x.onnx"], "did you mean 'srcnn'"),
    ],
)
def test_misuse_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_command_answers_what_a_file_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    faces = shared / "faces" / "train144"
    line = f"export srcnn --onnx net.onnx --int8 --faces {faces} --compare demo-x8 --limit 2 --out out"
    assert main(line.split()) == 0
    said = capsys.readouterr().out
    assert "net.onnx against srcnn on 2 images: PSNR +0.0000 dB" in said
    assert "net-int8.onnx against srcnn on 2 images: PSNR " in said
    assert "times as fast" in said


@pytest.mark.full
def test_exported_sparnet_gives_the_same_pictures(tmp_path: Path) -> None:
    source = opened("sparnet", 8)
    path = to_onnx(source, tmp_path / "sparnet.onnx").path

    def request(methods: Any) -> RunRequest:
        return RunRequest(methods=methods, metrics=("psnr",), out=tmp_path / "out", device="cpu")

    _, (found,) = compare(source, [path], request, Progress())
    assert found.largest <= 1
    assert found.differing < found.values / 10_000


def test_the_error_of_a_missing_file_is_ours() -> None:
    with pytest.raises(FaceSRBenchError, match="no such file"):
        opened("onnx:/nowhere/net.onnx", 8)
