"""dlib's models against dlib itself; skips where the extra is not installed."""

from __future__ import annotations

import builtins
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.dlib_models import LANDMARK_FILE, RECOGNITION_FILE, DlibEmbedder, DlibLandmarks, model_file
from facesr_bench.faces.embedder import cosine
from facesr_bench.faces.landmarks import LandmarkDetector
from facesr_bench.functional.landmarks import nme
from facesr_bench.images.files import Image8, read_image

Points = NDArray[np.float64]


@pytest.fixture(scope="module")
def dlib() -> Any:
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("needs the extra `dlib`")
    return pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def models(dlib: Any) -> tuple[Any, Any]:
    """Its detector and its landmarks."""
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model_file(LANDMARK_FILE)))


def own_shape(models: tuple[Any, Any], image: Image8) -> tuple[Any, Any]:
    """dlib's box of the face nearest to the picture's centre, and its landmarks there; none where it sees no face."""
    detector, predictor = models
    found = list(detector(image, 0))
    if not found:
        return None, None
    x = image.shape[1] / 2
    box = min(found, key=lambda rectangle: abs(float(rectangle.center().x) - x))
    return box, predictor(image, box)


def as_points(shape: Any) -> Points:
    return np.array([(part.x, part.y) for part in shape.parts()], np.float64)


def test_landmarks_are_dlibs(models: tuple[Any, Any], astronaut: Image8) -> None:
    rectangle, shape = own_shape(models, astronaut)
    box = (rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)
    detector: LandmarkDetector = DlibLandmarks()
    found = detector.detect(astronaut, box)
    assert found.shape == (68, 2)
    assert np.array_equal(found, as_points(shape))


def test_the_box_is_near_dlibs_own(models: tuple[Any, Any], astronaut: Image8) -> None:
    """Its own detector's box and the one around the points it found there give nearly the same points."""
    _, shape = own_shape(models, astronaut)
    detector = DlibLandmarks()
    again = detector.detect(astronaut, detector.box(as_points(shape)))
    assert nme(again, as_points(shape)) < 4


def test_embedding_is_dlibs(dlib: Any, models: tuple[Any, Any], astronaut: Image8) -> None:
    _, shape = own_shape(models, astronaut)
    network = dlib.face_recognition_model_v1(str(model_file(RECOGNITION_FILE)))
    theirs = np.array(network.compute_face_descriptor(astronaut, shape))
    embedder = DlibEmbedder()
    assert np.array_equal(embedder.embed(astronaut, as_points(shape)), theirs)
    assert np.array_equal(embedder.embed(astronaut, as_points(shape) + 0.4), theirs)


def test_what_dlib_must_not_be_given(dlib: Any, astronaut: Image8, face68: Points) -> None:
    with pytest.raises(MetricError, match="beside"):
        DlibEmbedder().embed(astronaut, face68 + 400)
    with pytest.raises(MetricError, match="NaN"):
        DlibEmbedder().embed(astronaut, face68 * np.nan)
    with pytest.raises(MetricError, match="not float64"):
        DlibLandmarks().detect(astronaut / 255, (0, 0, 50, 50))  # type: ignore[arg-type]


def test_absent_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "recognition" in name else found(name))
    with pytest.raises(MetricError, match=r"pip install 'facesr-bench\[dlib\]'"):
        model_file(LANDMARK_FILE)
    genuine = builtins.__import__

    def without_dlib(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "dlib":
            raise ImportError(name)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_dlib)
    with pytest.raises(MetricError, match="dlib is not installed"):
        DlibLandmarks()


def test_real_faces(models: tuple[Any, Any], shared: Path) -> None:
    """Landmarks of Helen from their true box; persons of LFW told apart."""
    detector, embedder = DlibLandmarks(), DlibEmbedder()
    errors = []
    for file in sorted((shared / "faces/helen_test").glob("*.jpg"))[::14]:
        truth = np.loadtxt(file.with_suffix(".pts"), skiprows=3, max_rows=68) - 1
        errors.append(nme(detector.detect(read_image(file), detector.box(truth)), truth))
    assert np.median(errors) < 3
    pairs = []
    people = [files for d in sorted((shared / "faces/lfw_heldout").iterdir()) if len(files := sorted(d.iterdir())) == 2]
    for files in people[::25]:
        photos = [read_image(file) for file in files]
        shapes = [own_shape(models, photo)[1] for photo in photos]
        if None not in shapes:
            pairs.append([embedder.embed(p, as_points(s)) for p, s in zip(photos, shapes, strict=True)])
    assert len(pairs) >= 8
    first, second = np.array(pairs).transpose(1, 0, 2)
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    same, different = np.diag(distances), distances[~np.eye(len(pairs), dtype=bool)]
    assert (same[:, None] < different[None]).mean() > 0.97
    assert cosine(first, second).mean() > 0.9
