"""VQFR's landmarks: the network against facexlib's under the same random weights, the decoding by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesr_bench.base.errors import WeightsError
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.faces.awing import HEATMAP_SIDE, POINTS, AwingLandmarks, AwingNetwork, points_of
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.sample import Sample
from facesr_bench.weights import read_state_dict, write_random
from tests.metric_tools import load_metric


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random(AwingNetwork(), tmp_path_factory.mktemp("awing") / "awing.pth")


@pytest.fixture(scope="module")
def theirs(file: Path) -> Any:
    """facexlib's network; its code is VQFR's, which needs a GPU."""
    module: Any = pytest.importorskip("facexlib.alignment.awing_arch")
    network = module.FAN(num_modules=4, num_landmarks=98, device="cpu")
    network.load_state_dict({name: tensor.float() for name, tensor in read_state_dict(file).items()}, strict=True)
    return network.eval()


def test_the_network_is_facexlibs(file: Path, theirs: Any) -> None:
    ours = AwingNetwork()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    inputs = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, expected = ours.eval()(inputs), theirs(inputs.clone())[0][-1]
    assert found.shape == (1, POINTS + 1, HEATMAP_SIDE, HEATMAP_SIDE)
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    assert float(expected.std()) > 0.01


def test_lmd_is_vqfrs(file: Path, theirs: Any, astronaut: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "float", float, raising=False)  # facexlib's code is older than numpy 1.24
    hr = resize(astronaut, (256, 256))
    sr = np.ascontiguousarray(255 - hr[:, ::-1])  # far from HR: a random network says much the same of every face
    with torch.inference_mode():
        expected = [theirs.get_landmarks(np.ascontiguousarray(picture[..., ::-1])) for picture in (sr, hr)]
    distances = np.sqrt(((expected[0] - expected[1]) ** 2).sum(1))
    assert distances.mean() > 0.1
    metric = load_metric(f"lmd@awing-wflw98={file}", "basicsr-rgb", 1)
    record = Scorer([metric])
    metric.load()
    found = record.score(sr, record.prepare(Sample("a", sr, hr)))
    assert found.metrics[metric.key] == pytest.approx(distances.mean(), abs=1e-6)
    assert record.score(hr, record.prepare(Sample("a", sr, hr))).metrics[metric.key] == 0


@pytest.mark.parametrize("name", ["inside", "bottom", "top", "corner"])
def test_points_are_decoded_as_by_vqfr(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = pytest.importorskip("facexlib.alignment.awing_arch")
    monkeypatch.setattr(np, "float", float, raising=False)
    heatmaps = np.random.default_rng(2).random((1, 5, 64, 64)).astype(np.float32)
    for number in range(5):
        heatmaps[0, number, 20 + number, 30 - number] = 2
    row, column = {"inside": (9, 9), "bottom": (63, 40), "top": (0, 40), "corner": (0, 0)}[name]
    heatmaps[0, 2, row, column] = 3
    assert np.array_equal(points_of(heatmaps[0]), module.calculate_points(heatmaps)[0])


def test_a_point_in_the_last_corner_has_a_place() -> None:
    """There facexlib's code ends in an error."""
    heatmaps = np.zeros((1, 64, 64), np.float32)
    heatmaps[0, 63, 63] = 1
    assert points_of(heatmaps).tolist() == [[63.75, 63.75]]


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="AWing's network of 98 landmarks"):
        AwingLandmarks(tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no such file"):
        AwingLandmarks(tmp_path / "none.pth")
