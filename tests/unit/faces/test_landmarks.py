"""Boxes, and landmark networks in ONNX: geometry with known outputs, PFLD on real faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.faces.landmarks import LANDMARK_NETWORKS, Box, LandmarkDetector, OnnxLandmarks, cut_square, square_box
from facesr_bench.functional.landmarks import nme
from facesr_bench.images.files import Image8, read_image
from facesr_bench.results.curves import auc
from tests.unit.faces.conftest import MakeNetwork

Points = NDArray[np.float64]


def test_a_hand_worked_box() -> None:
    points = np.tile([[20.0, 30.0]], (68, 1))
    points[0], points[67] = (10, 40), (50, 60)  # x spans 10..50, y 30..60: from the edge the centre is (30.5, 45.5)
    assert square_box(points, 1.0, 0.0) == (10.5, 25.5, 50.5, 65.5)
    assert square_box(points, 1.5, 0.1) == (0.5, 11.5, 60.5, 71.5)


@pytest.mark.parametrize(
    ("points", "message"),
    [(np.zeros((68, 2)), "one spot"), (np.zeros((5, 2)), "68x2"), (np.full((68, 2), np.nan), "NaN")],
)
def test_points_without_a_box(points: Points, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        square_box(points, 1.0, 0.0)


def test_the_square_is_black_outside_the_picture() -> None:
    image = np.arange(1, 37, dtype=np.uint8).reshape(3, 4, 3)
    square, left, top = cut_square(image, (-1.2, 0.8, 3.8, 5.8))
    assert (left, top, square.shape) == (-1, 1, (5, 5, 3))
    assert np.array_equal(square[:2, 1:], image[1:3])
    assert not square[2:].any()
    assert not square[:, 0].any()
    assert cut_square(image, (1, 1, 1.1, 1.1))[0].shape == (1, 1, 3)


@pytest.mark.parametrize("unit", ["square", "pixel"])
def test_outputs_become_pixels(make_network: MakeNetwork, unit: str) -> None:
    """A network that always answers the same: its points must land at those places of the box."""
    fractions = np.random.default_rng(4).uniform(0, 1, (68, 2))
    answers = fractions if unit == "square" else fractions * 112 - 0.5
    spec = LANDMARK_NETWORKS.get("pfld-68").model_copy(update={"unit": unit})
    detector = OnnxLandmarks(spec, make_network(outputs=136, constant=answers.ravel()))
    found = detector.detect(np.zeros((300, 400, 3), np.uint8), (50, 40, 250, 240))
    assert found.dtype == np.float64
    # From the picture's edge, less half a pixel: the first pixel's centre is at 0.
    assert np.allclose(found, fractions * 200 + (50, 40) - 0.5, rtol=0, atol=1e-4)


def test_moving_picture_and_box_moves_the_points(make_network: MakeNetwork, astronaut: Image8) -> None:
    detector = OnnxLandmarks(LANDMARK_NETWORKS.get("pfld-68"), make_network(outputs=136))
    moved = np.zeros((260, 260, 3), np.uint8)
    moved[30 : 30 + 192, 50 : 50 + 192] = astronaut
    before = detector.detect(astronaut, (20, 10, 150, 140))
    after = detector.detect(moved, (70, 40, 200, 170))
    assert np.allclose(after, before + np.array([50, 30]), rtol=0, atol=1e-9)
    assert np.array_equal(detector.detect(astronaut, (20, 10, 150, 140)), before)


@pytest.mark.parametrize(
    ("image", "box", "message"),
    [
        (np.zeros((9, 9), np.uint8), (0, 0, 5, 5), "uint8 HxWx3"),
        (np.zeros((9, 9, 3)), (0, 0, 5, 5), "not float64"),
        (np.zeros((9, 9, 3), np.uint8), (5, 0, 5, 5), "has no area"),
        (np.zeros((9, 9, 3), np.uint8), (0, 0, np.nan, 5), "has no area"),
        (np.zeros((9, 9, 3), np.uint8), (9, 0, 15, 5), "beside the 9x9 picture"),
        (np.zeros((9, 9, 3), np.uint8), (-9, 0, 0, 5), "beside the 9x9 picture"),
    ],
)
def test_no_face_to_look_at(make_network: MakeNetwork, image: NDArray[Any], box: Box, message: str) -> None:
    detector = OnnxLandmarks(LANDMARK_NETWORKS.get("pfld-68"), make_network(outputs=136))
    with pytest.raises(MetricError, match=message):
        detector.detect(image, box)


def test_networks_that_find_no_points(make_network: MakeNetwork, tmp_path: Path) -> None:
    spec, picture = LANDMARK_NETWORKS.get("pfld-68"), np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(MetricError, match="gave 196 numbers"):
        OnnxLandmarks(spec, make_network(outputs=196)).detect(picture, (0, 0, 9, 9))
    lost = make_network("lost.onnx", outputs=136, constant=np.full(136, np.nan))
    with pytest.raises(MetricError, match="pfld-68 gave NaN"):
        OnnxLandmarks(spec, lost).detect(picture, (0, 0, 9, 9))
    with pytest.raises(WeightsError, match="no such file"):
        OnnxLandmarks(spec, tmp_path / "none.onnx")


def test_presets() -> None:
    assert set(LANDMARK_NETWORKS.by_name) == {"pfld-68", "onnx"}
    with pytest.raises(MetricError, match="did you mean 'pfld-68'"):
        LANDMARK_NETWORKS.get("pfld68")


def helen(shared: Path, step: int) -> list[tuple[Image8, Points]]:
    """Every `step`th picture with its points, which the file counts from 1."""
    files = sorted((shared / "faces/helen_test").glob("*.jpg"))
    assert len(files) == 330
    return [
        (read_image(file), np.loadtxt(file.with_suffix(".pts"), skiprows=3, max_rows=68) - 1) for file in files[::step]
    ]


def test_pfld_on_real_faces(shared: Path) -> None:
    detector: LandmarkDetector = OnnxLandmarks(LANDMARK_NETWORKS.get("pfld-68"), shared / "weights/pfld_68.onnx")
    faces = helen(shared, 14)
    assert len(faces) == 24
    errors = [nme(detector.detect(image, detector.box(truth)), truth) for image, truth in faces]
    assert 2.5 < np.mean(errors) < 4.2
    assert 0.4 < auc(errors, 8) < 0.75
    image, truth = faces[0]
    once, again = (detector.detect(image, detector.box(truth)) for _ in range(2))
    assert nme(once, again) == 0


def test_blur_raises_the_error_on_real_faces(shared: Path) -> None:
    import cv2

    detector = OnnxLandmarks(LANDMARK_NETWORKS.get("pfld-68"), shared / "weights/pfld_68.onnx")
    sharp, blurred = [], []
    for image, truth in helen(shared, 28):
        box = detector.box(truth)
        sharp.append(nme(detector.detect(image, box), truth))
        blurred.append(nme(detector.detect(cv2.GaussianBlur(image, (0, 0), 12).astype(np.uint8), box), truth))
    assert np.mean(blurred) > 1.3 * np.mean(sharp)
