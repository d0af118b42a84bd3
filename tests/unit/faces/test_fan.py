"""2DFAN4 on networks of its interface: the package's own numbers, and places that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.faces.fan import FanLandmarks
from facesr_bench.images.files import Image8

torch = pytest.importorskip("torch")
pytest.importorskip("face_alignment")

Points = NDArray[np.float64]


def brightness(path: Path, channels: int = 68) -> Path:
    """TorchScript whose every heatmap is the picture's brightness: all points are where the light is."""

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4).repeat(1, channels, 1, 1)

    torch.jit.trace(Network(), torch.rand(1, 3, 256, 256)).save(str(path))
    return path


def light(x: float, y: float, side: int = 400) -> Image8:
    rows, columns = np.mgrid[:side, :side]
    glow = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 9.0**2))
    return np.repeat(glow[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def random_fan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of face-alignment's network with random weights, under the published file's name."""
    models = pytest.importorskip("face_alignment.models")
    torch.manual_seed(0)
    network = models.FAN(4)
    path = tmp_path_factory.mktemp("hub") / "hub/checkpoints/2DFAN4-11f355bf06.pth.tar"
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    return path


def test_equal_to_the_package(random_fan: Path, astronaut: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    """face_alignment.FaceAlignment reads the same file from a folder we give it, and detects no face itself."""
    import face_alignment

    monkeypatch.setenv("TORCH_HOME", str(random_fan.parents[2]))
    theirs = face_alignment.FaceAlignment(
        face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
    )
    detector = FanLandmarks(random_fan)
    for box, mirror in (((60.5, 30.5, 130.5, 120.5), True), ((-20.0, 10.0, 70.0, 90.0), False)):
        theirs.flip_input = detector.mirror = mirror
        expected = theirs.get_landmarks_from_image(astronaut, detected_faces=[box])[0]
        found = detector.detect(astronaut, box)
        assert found.dtype == np.float64
        assert np.array_equal(found, expected)
        assert len(np.unique(found, axis=0)) > 20
    detector.decoding = "exact"
    exact = detector.detect(astronaut, box)
    assert np.abs(exact - found).max() < 2.5
    assert (exact % 1 != 0).any()


def test_exact_decoding_finds_known_places(tmp_path: Path) -> None:
    """On average it is right within half a pixel, where a heatmap's cell is 6.7 px wide."""
    path = brightness(tmp_path / "fan.zip")
    box = (100.0, 80.0, 300.0, 300.0)
    detector = FanLandmarks(path, decoding="exact")
    places = np.random.default_rng(0).uniform(110, 290, (60, 2))
    offsets = np.array([detector.detect(light(x, y), box)[0] - (x, y) for x, y in places])
    assert np.abs(offsets).max() < 6.72 / 2
    assert np.abs(offsets.mean(axis=0)).max() < 0.5


def test_the_box_reaches_over_the_edge(tmp_path: Path) -> None:
    detector = FanLandmarks(brightness(tmp_path / "fan.zip"), decoding="exact")
    found = detector.detect(light(20, 30), (-90.0, -80.0, 110.0, 140.0))
    assert np.abs(found - (20, 30)).max() < 4


def test_the_box_is_the_landmarks_own(tmp_path: Path, face68: Points) -> None:
    detector = FanLandmarks(brightness(tmp_path / "fan.zip"))
    assert detector.name == "2dfan4"
    low, high = face68.min(axis=0) + 0.5, face68.max(axis=0) + 0.5
    assert detector.box(face68) == (*low, *high)
    with pytest.raises(MetricError, match="on one line"):
        detector.box(face68 * (0, 1))


def test_files_that_are_not_the_network(tmp_path: Path, astronaut: Image8) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        FanLandmarks(tmp_path / "none.zip")
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, other)
    with pytest.raises(WeightsError, match="these are not weights of 2DFAN4"):
        FanLandmarks(other)
    rubbish = tmp_path / "rubbish.pth.tar"
    rubbish.write_bytes(b"no network at all")
    with pytest.raises(WeightsError, match="rubbish"):
        FanLandmarks(rubbish)
    few = FanLandmarks(brightness(tmp_path / "few.zip", channels=5))
    with pytest.raises(MetricError, match=r"shape \(1, 5, 64, 64\)"):
        few.detect(astronaut, (10, 10, 90, 90))


def test_boxes_that_hold_no_face(tmp_path: Path, astronaut: Image8) -> None:
    detector = FanLandmarks(brightness(tmp_path / "fan.zip"))
    for box, message in (
        ((10.0, 10.0, 10.0, 20.0), "no area"),
        ((500.0, 10.0, 600.0, 90.0), "beside the 192x192 picture"),
        ((10.3, 10.3, 10.5, 10.5), "smaller than a pixel"),
    ):
        with pytest.raises(MetricError, match=message):
            detector.detect(astronaut, box)
