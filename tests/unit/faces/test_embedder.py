"""Embeddings: insightface's preprocessing, batches, colours, angles."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.faces.embedder import EMBEDDERS, Embedder, EmbedderSpec, cosine, degrees, vqfr_face
from facesr_bench.images.files import Image8
from tests.unit.faces.conftest import MakeNetwork

VQFR = {
    "name": "vqfr",
    "summary": "VQFR's network.",
    "source": ("VQFR",),
    "file": "resnet18_110.onnx",
    "alignment": "none",
    "height": 128,
    "width": 128,
    "colour": "gray",
    "mean": (127.5,),
    "std": (127.5,),
}


@pytest.fixture
def faces() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (19, 112, 112, 3), np.uint8)


@pytest.mark.parametrize("preset", ["w600k-r50", "w600k-mbf"])
def test_equal_to_insightface_on_one_network(make_network: MakeNetwork, faces: NDArray[np.uint8], preset: str) -> None:
    path = make_network("arcface.onnx")
    raw = ArcFaceONNX(str(path)).get_feat([face[:, :, ::-1].copy() for face in faces])
    theirs = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    ours = Embedder(EMBEDDERS.get(preset), path).embed(faces)
    assert ours.shape == (19, 16)
    assert ours.dtype == np.float32
    assert np.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, rtol=0, atol=1e-6)


def test_imagenet_normalisation_is_torchvisions(faces: NDArray[np.uint8]) -> None:
    functional: Any = importlib.import_module("torchvision.transforms.functional")  # it has no types

    given = EMBEDDERS.get("mobilefacenet-ms1m").prepare(faces)
    for ours, face in zip(given, faces, strict=True):
        theirs = functional.normalize(functional.to_tensor(face), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        assert np.allclose(ours, theirs.numpy(), rtol=0, atol=1e-6)


def test_one_at_a_time_or_many_is_the_same(make_network: MakeNetwork, faces: NDArray[np.uint8]) -> None:
    embedder = Embedder(EMBEDDERS.get("w600k-r50"), make_network())
    together = embedder.embed(faces)
    alone = np.concatenate([embedder.embed(face[None]) for face in faces])
    assert np.allclose(together, alone, rtol=0, atol=1e-6)
    assert np.allclose(embedder.embed(faces[::-1]), alone[::-1], rtol=0, atol=1e-6)
    assert np.array_equal(embedder.embed(faces), together)


def test_a_network_for_one_picture_takes_many(make_network: MakeNetwork, faces: NDArray[np.uint8]) -> None:
    spec = EMBEDDERS.get("mobilefacenet-ms1m").model_copy(update={"output": "result"})
    embedder = Embedder(spec, make_network(batch=1))
    alone = np.concatenate([embedder.embed(face[None]) for face in faces])
    assert np.array_equal(embedder.embed(faces), alone)


def test_the_order_of_colours_matters(make_network: MakeNetwork, faces: NDArray[np.uint8]) -> None:
    """A witness: swapped colours give another embedding, and no error that would tell."""
    path, rgb = make_network(), EMBEDDERS.get("w600k-r50")
    right = Embedder(rgb, path).embed(faces)
    swapped = Embedder(rgb.model_copy(update={"colour": "bgr"}), path)
    assert cosine(right, swapped.embed(faces)).max() < 0.99
    assert np.array_equal(swapped.embed(faces[..., ::-1]), right)


def test_the_normalisation_matters(make_network: MakeNetwork, faces: NDArray[np.uint8]) -> None:
    path = make_network()
    other = EMBEDDERS.get("mobilefacenet-ms1m").model_copy(update={"output": None, "batch_of_one": False})
    a, b = Embedder(EMBEDDERS.get("w600k-r50"), path).embed(faces), Embedder(other, path).embed(faces)
    assert cosine(a, b).max() < 0.999


def test_a_gray_network(make_network: MakeNetwork, astronaut: Image8) -> None:
    spec = EmbedderSpec.model_validate(VQFR)
    embedder = Embedder(spec, make_network(channels=1, size=(128, 128)))
    face = vqfr_face(astronaut)
    assert embedder.embed(face[None]).shape == (1, 16)
    assert np.allclose(spec.prepare(face[None])[0, 0], (face - 127.5) / 127.5, rtol=0, atol=1e-7)


def test_vqfr_sees_what_its_script_reads(tmp_path: Path, astronaut: Image8) -> None:
    path = tmp_path / "face.png"
    Image.fromarray(astronaut).save(path)
    theirs = cv2.resize(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), (128, 128))
    # OpenCV's PNG reader makes gray itself, and rounds it another way than cvtColor.
    assert np.abs(vqfr_face(astronaut).astype(int) - theirs).max() <= 1


def test_hand_worked_cosines() -> None:
    a = np.array([[1.0, 0], [1, 1], [1, 0], [3, 4]])
    b = np.array([[0.0, 2], [1, 0], [-5, 0], [4, 3]])
    assert np.allclose(cosine(a, b), [0, math.sqrt(0.5), -1, 24 / 25], rtol=0, atol=1e-15)
    assert np.allclose(degrees(cosine(a, b)), [90, 45, 180, 16.260204708311957], rtol=0, atol=1e-12)
    assert cosine(a[3], b[3]) == pytest.approx(0.96, abs=1e-15)


def test_equal_embeddings_are_exactly_alike() -> None:
    many = np.random.default_rng(1).standard_normal((500, 128)).astype(np.float32)
    assert (cosine(many, many) == 1).all()
    assert (degrees(cosine(many, many)) == 0).all()


def test_degrees_beyond_the_ends() -> None:
    assert degrees(1 + 1e-12) == 0
    assert degrees(-1 - 1e-12) == 180
    with pytest.raises(MetricError, match="NaN"):
        degrees(math.nan)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros(4), np.ones(4), "length 0"),
        (np.ones(4), np.full(4, np.nan), "NaN"),
        (np.ones(4), np.ones(5), r"\(4,\) and \(5,\)"),
        (np.ones((2, 4)), np.ones(4), "can't be compared"),
    ],
)
def test_embeddings_without_a_cosine(a: NDArray[Any], b: NDArray[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        cosine(a, b)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 112, 96, 3), np.uint8), ((112, 112, 3), np.uint8), ((1, 112, 112, 3), np.float32), ((0, 112, 112, 3), "u1")],
)
def test_faces_of_another_shape(make_network: MakeNetwork, shape: tuple[int, ...], dtype: Any) -> None:
    embedder = Embedder(EMBEDDERS.get("w600k-r50"), make_network())
    with pytest.raises(MetricError, match=r"w600k-r50(: no pictures| takes uint8 Nx112x112x3)"):
        embedder.embed(np.zeros(shape, dtype))


@pytest.mark.parametrize(("constant", "message"), [(0.0, "length 0"), (np.nan, "NaN"), (np.inf, "infinity")])
def test_an_embedding_without_a_direction(make_network: MakeNetwork, constant: float, message: str) -> None:
    embedder = Embedder(EMBEDDERS.get("w600k-r50"), make_network(constant=np.full(16, constant)))
    with pytest.raises(MetricError, match=message):
        embedder.embed(np.zeros((1, 112, 112, 3), np.uint8))


def test_files_that_are_not_the_network(tmp_path: Path, make_network: MakeNetwork) -> None:
    spec = EMBEDDERS.get("w600k-r50")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a network")
    for path, message in {
        tmp_path / "none.onnx": r"none.onnx: no such file.*w600k-r50 \(w600k_r50.onnx\)",
        damaged: "damaged.onnx: not an ONNX network",
        make_network("small.onnx", size=(96, 96)): r"its input is data .*expected \[N, 3, 112, 112\]",
        make_network("single.onnx", batch=1): "takes 1 picture.*batch_of_one = true",
        make_network("two.onnx", extra_output=True): "has outputs result, f; name one",
    }.items():
        with pytest.raises(WeightsError, match=message):
            Embedder(spec, path)
    with pytest.raises(WeightsError, match="no output 'embedding'; there is result"):
        Embedder(spec.model_copy(update={"output": "embedding"}), make_network())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": (1.0, 2.0, 3.0)}, "mean needs 1 number"),
        ({"std": (0.0,)}, "std must be greater than 0"),
        ({"alignment": "arcface-112"}, "makes faces of 112x112"),
        ({"colour": "hsv"}, "colour"),
        ({"divide_by": 0}, "greater than 0"),
        ({"scale": 1}, "Extra inputs"),
    ],
)
def test_a_spec_that_contradicts_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EmbedderSpec.model_validate(VQFR | changes)


def test_presets() -> None:
    assert set(EMBEDDERS.by_name) == {"w600k-r50", "w600k-mbf", "mobilefacenet-ms1m", "adaface-ir50", "onnx"}
    with pytest.raises(MetricError, match="did you mean 'w600k-r50'"):
        EMBEDDERS.get("w600k_r50")
