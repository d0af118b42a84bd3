"""Face recognition networks behind one contract: a picture and its face's place in, an embedding out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facesr_bench.faces.alignment import TEMPLATES, align
from facesr_bench.faces.dlib_models import DlibEmbedder
from facesr_bench.faces.embedder import Embedder, EmbedderSpec
from facesr_bench.faces.location import FaceLocator, as_sixty_eight
from facesr_bench.faces.points import Points, check_points, five_points
from facesr_bench.images.files import Image8
from facesr_bench.plugins.sample import Sample

if TYPE_CHECKING:
    from facesr_bench.faces.adaface import AdaFaceEmbedder
    from facesr_bench.faces.vqfr_network import VqfrEmbedder


class Recogniser(Protocol):
    """Turns a face into an embedding; safe to call from several threads."""

    needs_points: bool

    def points(self, sample: Sample, image: Image8, locator: FaceLocator) -> Points:
        """What `embed` wants to know of the picture that others are compared with. Raises: as `FaceLocator.five`."""

    def detect(self, image: Image8, locator: FaceLocator) -> Points:
        """The same, found on a picture that nothing is known of. Raises: as `FaceLocator.five`."""

    def embed(self, image: Image8, points: Points) -> NDArray[Any]:
        """D floats. Raises MetricError where there is no embedding."""


class AlignedRecogniser:
    """A network that wants faces aligned by five points (ArcFace and its kin)."""

    needs_points = True

    def __init__(self, embedder: Embedder | AdaFaceEmbedder) -> None:
        self._embedder = embedder
        spec: EmbedderSpec = embedder.spec
        self._template = TEMPLATES.get(spec.alignment)

    def points(self, sample: Sample, image: Image8, locator: FaceLocator) -> Points:
        return locator.five(sample, image)

    def detect(self, image: Image8, locator: FaceLocator) -> Points:
        return five_points(locator.detect(image))

    def embed(self, image: Image8, points: Points) -> NDArray[Any]:
        face = image if self._template is None else align(image, points, self._template)
        embedding: NDArray[Any] = self._embedder.embed(face[None])[0]
        return embedding


class DlibRecogniser:
    """dlib's network, which cuts out the face itself by 68 points."""

    needs_points = True

    def __init__(self) -> None:
        self._embedder = DlibEmbedder()

    def points(self, sample: Sample, image: Image8, locator: FaceLocator) -> Points:
        return locator.sixty_eight(sample, image)

    def detect(self, image: Image8, locator: FaceLocator) -> Points:
        return as_sixty_eight(locator.detect(image))

    def embed(self, image: Image8, points: Points) -> NDArray[Any]:
        return self._embedder.embed(image, check_points(points, "landmarks", (68,)))


class WholePictureRecogniser:
    """VQFR's: the whole gray picture, neither cut out nor aligned."""

    needs_points = False

    def __init__(self, embedder: VqfrEmbedder) -> None:
        self._embedder = embedder

    def points(self, sample: Sample, image: Image8, locator: FaceLocator) -> Points:
        del sample, image, locator
        return np.empty((0, 2))

    def detect(self, image: Image8, locator: FaceLocator) -> Points:
        del image, locator
        return np.empty((0, 2))

    def embed(self, image: Image8, points: Points) -> NDArray[Any]:
        del points
        return self._embedder.embed(image)
