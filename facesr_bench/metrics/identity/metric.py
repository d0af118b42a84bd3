"""Compares the face embeddings of SR and of HR (or of the low-quality input): identity, kept or lost.

Options of the card:
    recogniser = "onnx" (the network of the weights), "adaface", "dlib", "vqfr";
    against = "hr", "lq": the input at SR's size, for pictures without ground truth;
    measure = "cosine", "degrees" (the angle), "distance" (Euclidean, as dlib means it).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from facesr_bench.base.memo import Recent, pixels_key
from facesr_bench.faces import dlib_models
from facesr_bench.faces.embedder import EMBEDDERS, Embedder, cosine, degrees
from facesr_bench.faces.location import FaceLocator
from facesr_bench.faces.points import Points
from facesr_bench.faces.recogniser import AlignedRecogniser, DlibRecogniser, Recogniser, WholePictureRecogniser
from facesr_bench.faces.stand_in import write_stand_in
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.convention import FaceConvention, Says
from facesr_bench.plugins.metric import MetricBase, MetricContext
from facesr_bench.plugins.sample import Sample
from facesr_bench.weights import write_random


class IdentityConvention(FaceConvention):
    """The table [identity] of a profile."""

    alignment: Annotated[
        Literal["hr", "each"],
        Says(
            values={
                "hr": "both faces are aligned by the ground truth's points",
                "each": "each face is aligned by the points that a detector finds on it",
            }
        ),
    ] = Field(
        default="hr", description="`hr`: HR's five points align both faces; `each`: a detector finds them on each"
    )


@dataclass(frozen=True)
class Reference:
    """Of the picture that SR is compared with: where the face is, and its embedding.

    Attributes:
        placed_by: where the points come from, in words; None where the network wants none.
    """

    points: Points
    embedding: NDArray[Any]
    placed_by: str | None = None


class Metric(MetricBase):
    """By default the same warp, from HR's points, is applied to both: whether a face is found again is not measured."""

    Convention = IdentityConvention
    convention: IdentityConvention

    def __init__(self, context: MetricContext) -> None:
        super().__init__(context)
        self._locator = FaceLocator(self.convention.detector, context.memo)

    def convention_in_words(self) -> list[str]:
        whole = self.card.options.get("recogniser") == "vqfr"
        return ["the whole picture, not aligned"] if whole else super().convention_in_words()

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        recogniser = card.options.get("recogniser")
        if recogniser == "adaface":
            from facesr_bench.faces.adaface import AdaFaceNetwork

            return write_random(AdaFaceNetwork(), folder / "adaface.pth")
        if recogniser != "vqfr":
            return write_stand_in(folder / f"{name}.onnx", EMBEDDERS.get(name), 512)
        from facesr_bench.faces.vqfr_network import VqfrNetwork

        return write_random(VqfrNetwork(), folder / "vqfr.pth")

    def why_unavailable(self) -> str | None:
        return dlib_models.why_missing() if self.card.options.get("recogniser") == "dlib" else None

    def load(self) -> None:
        self._recogniser: Recogniser = self.shared(("recogniser", self._network), self._open)
        self._recent: Recent[NDArray[Any]] = self.shared(("embeddings", self._network), Recent)

    def troubled(self) -> bool:
        """Whether a picture without known points would find no detector."""
        return self._locator.missing()

    def prepare_sample(self, sample: Sample) -> Reference:
        image = self._compared(sample)
        placed_by: str | None = self._locator.words(sample, image)
        if self.convention.alignment == "hr" or not self._recogniser.needs_points:
            points, source = self._recogniser.points(sample, image, self._locator), self._locator.source(sample, image)
        else:
            source, placed_by = f"detected-{self._locator.detector}", f"{self._locator.detector} on each"
            points = self._recogniser.detect(image, self._locator)
        against = self.card.options.get("against", "hr")
        name = f"identity-{self._network}-v{self.card.version}-{against}-{source}"
        embedding = sample.once(name, lambda: self._embed(image, points))
        return Reference(points, embedding, placed_by if self._recogniser.needs_points else None)

    def alignment(self, reference: Reference) -> str | None:
        return reference.placed_by

    def per_image(self, sr: Image8, reference: Reference) -> float:
        points = reference.points
        if self.convention.alignment == "each" and self._recogniser.needs_points:
            points = self._recogniser.detect(sr, self._locator)
        embedding = self._embed(sr, points)
        measure = self.card.options.get("measure", "cosine")
        if measure == "distance":
            return float(np.linalg.norm(embedding.astype(np.float64) - reference.embedding.astype(np.float64)))
        similarity = cosine(embedding, reference.embedding)
        return float(degrees(similarity) if measure == "degrees" else similarity)

    def _embed(self, image: Image8, points: Points) -> NDArray[Any]:
        """The cosine and the angle of one picture share its embedding."""
        return self._recent.get(pixels_key(image, points), lambda: self._recogniser.embed(image, points))

    def _compared(self, sample: Sample) -> Image8:
        if self.card.options.get("against", "hr") == "lq":
            height, width = sample.lr.shape[:2]
            return resize(sample.lr, (height * self.scale, width * self.scale))
        assert sample.hr is not None  # the card needs a reference
        return sample.hr

    @property
    def _network(self) -> str:
        recogniser = self.card.options.get("recogniser", "onnx")
        return recogniser if self.weights is None else f"{recogniser}-{self.weights.name}-{self.weights.sha256[:16]}"

    def _open(self) -> Recogniser:
        recogniser = self.card.options.get("recogniser", "onnx")
        if recogniser == "dlib":
            return DlibRecogniser()
        weights = self.require_weights()
        if recogniser == "vqfr":
            from facesr_bench.faces.vqfr_network import VqfrEmbedder

            return WholePictureRecogniser(VqfrEmbedder(weights.path))
        if recogniser == "adaface":
            from facesr_bench.faces.adaface import AdaFaceEmbedder

            return AlignedRecogniser(AdaFaceEmbedder(weights.path, self.device))
        return AlignedRecogniser(Embedder(EMBEDDERS.for_file(weights.name, weights.path), weights.path))
