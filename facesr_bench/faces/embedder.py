"""Face recognition networks: aligned faces in, embeddings out, and the similarity of two embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.alignment import TEMPLATES
from facesr_bench.faces.network import NetworkSpec, OnnxNetwork, Presets

Embeddings = NDArray[np.float32]
"""NxD, each row of length 1."""

VQFR_SIDE = 128


class EmbedderSpec(NetworkSpec):
    """What a recognition network wants. `name` is the key of its table in embedders.toml.

    `alignment`: the template that its faces are aligned to (facesr_bench.faces.alignment), or `none`.
    """

    alignment: Literal["arcface-112", "arcface-112x96", "none"]

    @model_validator(mode="after")
    def _size_is_the_templates(self) -> EmbedderSpec:
        template = TEMPLATES.get(self.alignment)
        if template is not None and (template.height, template.width) != (self.height, self.width):
            raise ValueError(
                f"alignment {self.alignment} makes faces of {template.height}x{template.width} (height x width), "
                f"and the input is {self.height}x{self.width}"
            )
        return self


EMBEDDERS = Presets(EmbedderSpec, "embedder", "embedders.toml")


class Embedder:
    """A recognition network from a local ONNX file, opened once; safe to call from several threads.

    Args:
        spec: one of EMBEDDERS, or one's own.
        path: the ONNX file.

    Raises:
        WeightsError: no such file, or not the network that `spec` describes.
    """

    def __init__(self, spec: EmbedderSpec, path: Path) -> None:
        self.spec = spec
        self._network = OnnxNetwork(spec, path)

    def embed(self, faces: NDArray[np.uint8]) -> Embeddings:
        """NxD float32, each row of Euclidean length 1.

        Args:
            faces: aligned faces, NxHxWx3 uint8 RGB; NxHxW for a network of colour `gray`.

        Raises:
            MetricError: another shape or dtype, or an embedding that has no direction (zero, NaN).
        """
        raw = self._network.run(faces).astype(np.float64)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        if not lengths.all():
            raise MetricError(f"{self.spec.name} gave an embedding of length 0")
        return np.asarray(raw / lengths, np.float32)


def cosine(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """The cosine of the angle between embeddings, in [-1, 1]; of equal ones exactly 1. Their lengths don't matter.

    Args:
        a, b: of one shape, ...xD.

    Returns:
        An array of the shape less its last axis.

    Raises:
        MetricError: shapes differ, NaN or infinity, or an embedding of length 0.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape or x.ndim == 0 or x.shape[-1] == 0:
        raise MetricError(f"embeddings of shapes {x.shape} and {y.shape} can't be compared")
    squares = (x * x).sum(axis=-1) * (y * y).sum(axis=-1)
    if not np.all(np.isfinite(squares) & (squares > 0)):
        raise MetricError("an embedding has length 0, NaN or infinity")
    # One root of the product: for equal embeddings it undoes the square exactly, two roots would not.
    return np.asarray(np.clip((x * y).sum(axis=-1) / np.sqrt(squares), -1.0, 1.0))


def degrees(cos: NDArray[Any] | float) -> NDArray[np.float64]:
    """The angle of each cosine, 0..180 degrees. A cosine beyond [-1, 1] by rounding counts as the end.

    Raises:
        MetricError: NaN.
    """
    values = np.asarray(cos, np.float64)
    if np.isnan(values).any():
        raise MetricError("a cosine is NaN")
    return np.asarray(np.degrees(np.arccos(np.clip(values, -1.0, 1.0))))


def vqfr_face(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What VQFR's script shows its network: the whole picture, not aligned, made gray, then resized bilinearly.

    TencentARC/VQFR@1245d42:metric_paper/calculate_cos_dist.py:load_image.

    Args:
        image: HxWx3 uint8 RGB, of any size.

    Returns:
        128x128 uint8, for a network of colour `gray`, mean and std 127.5.

    Raises:
        MetricError: not a uint8 picture.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MetricError(f"a picture to embed must be uint8 HxWx3, not {image.dtype} of shape {image.shape}")
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(gray, (VQFR_SIDE, VQFR_SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
