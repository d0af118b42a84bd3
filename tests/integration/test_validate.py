"""`facesr-bench validate` on what is built in, on a machine without any weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesr_bench.cli import main
from facesr_bench.faces.embedder import EMBEDDERS, Embedder
from facesr_bench.faces.landmarks import LANDMARK_NETWORKS
from facesr_bench.faces.stand_in import write_stand_in
from facesr_bench.plugins import registry


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("metric", ["psnr", "lpips", "identity", "identity-vqfr", "fid", "niqe", "vif"])
def test_metrics_are_checked_with_random_networks(metric: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(registry.metrics().get(metric).folder)]) == 0
    shown = capsys.readouterr().out
    assert "all checks passed" in shown and "direction" in shown
    assert ("with a random network in the place of" in shown) == (metric not in {"psnr", "vif"})


def test_landmarks_of_a_stand_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_stand_in(tmp_path / "pfld.onnx", LANDMARK_NETWORKS.get("pfld-68"), 2 * 68)
    assert main(["validate", "nme-hr", "--weights", f"pfld-68={file}"]) == 0
    shown = capsys.readouterr().out
    assert "direction" in shown and "note" not in shown


CARD = """
schema_version = 1
kind = "method"
name = "mine"
title = "Mine"
summary = "One convolution."
input = "bicubic"
licence = "MIT"
default_weights = "v1"
[weights.v1]
url = "https://example.org/net.pth"
sha256 = "%s"
licence = "CC0"
training_data = "none"
"""
CODE = """
import torch
from facesr_bench import MethodBase
from facesr_bench.weights import load_strictly, write_random

class Method(MethodBase):
    def __init__(self, context):
        super().__init__(context)
        self.network = torch.nn.Conv2d(3, 3, 3, padding=1)

    @classmethod
    def random_weights(cls, card, folder):
        return write_random(torch.nn.Conv2d(3, 3, 3, padding=1), folder / "net.pth")

    def load(self):
        load_strictly(self.network, self.weights, "mine")

    @torch.inference_mode()
    def upscale(self, lr):
        return torch.cat([self.network(image).clamp(0, 1) for image in lr.split(1)])
"""


def test_a_method_is_checked_with_random_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "card.toml").write_text(CARD % (64 * "0"))
    (folder / "method.py").write_text(CODE)
    assert main(["validate", str(folder)]) == 0
    assert "with random weights" in capsys.readouterr().out
    (folder / "method.py").write_text(CODE.replace("random_weights", "no_weights"))
    assert main(["validate", str(folder)]) == 1
    assert "not on this machine" in capsys.readouterr().out


def test_weights_that_were_asked_for_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "identity", "--weights", "w600k-r50"]) == 1
    assert "needs weights `arcface`" in capsys.readouterr().out
    assert main(["validate", "lpips", "--weights", f"squeeze={tmp_path}/none.pth"]) == 1
    assert "no such file" in capsys.readouterr().out
    assert main(["validate", "sparnethd", "--weights", "official"]) == 1


def test_a_metric_without_its_argument_is_checked_up_to_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "pyiqa"]) == 0
    assert "computes nothing without an argument" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["w600k-r50", "mobilefacenet-ms1m"])
def test_a_stand_in_takes_and_gives_what_the_network_does(tmp_path: Path, name: str) -> None:
    spec = EMBEDDERS.get(name)
    embedder = Embedder(spec, write_stand_in(tmp_path / "net.onnx", spec, 512))
    faces = np.random.default_rng(1).integers(0, 256, (3, spec.height, spec.width, 3), np.uint8)
    embeddings = embedder.embed(faces)
    assert embeddings.shape == (3, 512) and len(np.unique(embeddings.round(6), axis=0)) == 3
