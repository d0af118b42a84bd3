"""Same person or not? Real photographs, found, aligned and embedded; nobody of them is in any training set here."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.faces.alignment import align
from facesr_bench.faces.detection import DlibDetector, FaceDetector, YunetDetector
from facesr_bench.faces.embedder import EMBEDDERS, Embedder, cosine
from facesr_bench.images.files import Image8, read_image

Photos = list[tuple[Image8, Image8]]


@pytest.fixture(scope="module")
def people(shared: Path) -> Photos:
    """Two photographs of each of 42 people."""
    folders = sorted((shared / "faces/lfw_heldout").iterdir())
    pairs = [files for folder in folders if len(files := sorted(folder.iterdir())) == 2]
    assert len(pairs) == 250
    return [(read_image(first), read_image(second)) for first, second in pairs[::6]]


def roc_area(same: NDArray[Any], different: NDArray[Any]) -> float:
    """The chance that a pair of one person is closer than a pair of two."""
    return float((same[:, None] > different[None]).mean() + (same[:, None] == different[None]).mean() / 2)


def similarities(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosines of one person's two photographs, and of each person's first with everyone else's second."""
    count = len(first)
    all_pairs = cosine(np.repeat(first, count, axis=0), np.tile(second, (count, 1))).reshape(count, count)
    return np.diag(all_pairs), all_pairs[~np.eye(count, dtype=bool)]


def aligned_faces(detector: FaceDetector, photos: Photos) -> NDArray[np.uint8]:
    """Nx2x112x112x3."""
    return np.array([[align(photo, detector.five_points(photo)) for photo in pair] for pair in photos])


def test_mobilefacenet_by_yunets_points(people: Photos, shared: Path) -> None:
    weights = shared / "weights"
    embedder = Embedder(EMBEDDERS.get("mobilefacenet-ms1m"), weights / "mobilefacenet_arcface_ms1m.onnx")
    faces = aligned_faces(YunetDetector(weights / "yunet_n_640_640.onnx"), people)
    first, second = embedder.embed(faces[:, 0]), embedder.embed(faces[:, 1])
    assert first.shape == (42, 128)
    same, different = similarities(first, second)
    assert same.mean() > 0.55
    assert abs(different.mean()) < 0.05
    assert roc_area(same, different) > 0.98
    assert (cosine(first, embedder.embed(faces[:, 0])) == 1).all()
    small = [cv2.resize(face, (14, 14), interpolation=cv2.INTER_AREA) for face in faces[:, 0]]
    blurred = np.array([cv2.resize(face, (112, 112)) for face in small], np.uint8)
    assert cosine(first, embedder.embed(blurred)).mean() < 0.8


def test_dlib_by_its_own_points(people: Photos) -> None:
    pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("needs the extra `dlib`")
    from facesr_bench.faces.dlib_models import DlibEmbedder

    detector, embedder = DlibDetector(), DlibEmbedder()
    embedded = np.array([[embedder.embed(photo, detector.largest_68(photo)) for photo in pair] for pair in people[::2]])
    same, different = similarities(embedded[:, 0], embedded[:, 1])
    assert same.mean() > 0.93
    assert different.mean() < 0.87
    assert roc_area(same, different) > 0.97
    distances = np.linalg.norm(embedded[:, 0] - embedded[:, 1], axis=1)
    assert (distances < 0.6).mean() > 0.9  # what dlib counts as one person
