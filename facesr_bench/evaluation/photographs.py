"""Photographs to aligned faces: what was found in which, and the transforms that lead back."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.environment import package_version
from facesr_bench.base.errors import PLUGIN_ERRORS, DataError, DetectionError, FaceSRBenchError, describe
from facesr_bench.base.files import file_name, own
from facesr_bench.base.filled import begin, finish
from facesr_bench.data.ffhq import SIDE
from facesr_bench.faces.alignment import Matrix
from facesr_bench.faces.detection import AUTO, SceneDetector, open_first
from facesr_bench.faces.photographs import BORDER, Found, corners, cut, find_faces, rotation, size_of_step
from facesr_bench.images.files import SUFFIXES, Image8, picture_libraries, pixel_sha256, read_image, write_png
from facesr_bench.images.folders import list_images

COMMAND = "facesr-bench align"
SMALLEST = 5.0
"""Distance between the eyes below which a face is left out, px: GFPGAN's script has the same."""

Each = Callable[[Sequence[Path]], Iterable[Path]]


@dataclass(frozen=True)
class Photograph:
    """A photograph in memory.

    Attributes:
        id: its file's name without suffix, or with it where another has the same.
    """

    id: str
    path: Path
    pixels: Image8

    def record(self) -> dict[str, Any]:
        """What a manifest has of it."""
        height, width = self.pixels.shape[:2]
        sha256 = pixel_sha256(self.pixels)
        return {"id": self.id, "file": self.path.name, "width": width, "height": height, "sha256": sha256}


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A face cut out of a photograph.

    Attributes:
        id: the photograph's, and the face's number from left to right.
        matrix: from the photograph to `pixels`.
        beyond: the share of it that lies beyond the photograph's border.
    """

    id: str
    found: Found
    matrix: Matrix
    pixels: Image8
    beyond: float

    def record(self) -> dict[str, Any]:
        """What a manifest has of it: enough to paste a restored face back, of any size."""
        side = len(self.pixels)
        return {
            "id": self.id,
            **_record(self.found),
            "side": side,
            "matrix": self.matrix.tolist(),
            "square": np.round(corners(self.matrix, side), 3).tolist(),
            "rotation": round(rotation(self.matrix), 3),
            "enlarged": round(size_of_step(self.matrix), 4),
            "beyond_border": round(self.beyond, 4),
        }


def _record(found: Found) -> dict[str, Any]:
    return {
        "score": round(found.score, 4),
        "box": np.round(found.box, 3).tolist(),
        "points": np.round(found.points, 4).tolist(),
        "eye_distance": round(found.eye_distance, 3),
    }


@dataclass
class FacesOf:
    """The faces of a photograph.

    Attributes:
        left_out: faces too small, as the manifest has them.
    """

    faces: list[AlignedFace] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Finder:
    """How faces are found and cut out.

    Attributes:
        side: of aligned faces, px.
        smallest: distance between the eyes, px of the photograph, below which a face is left out.
    """

    detector: SceneDetector
    side: int = SIDE
    smallest: float = SMALLEST

    def faces(self, photograph: Photograph) -> FacesOf:
        """Every face of a photograph, aligned.

        Raises:
            DetectionError: none was found, or only ones that are too small.
        """
        found, of = find_faces(self.detector, photograph.pixels), FacesOf()
        for number, face in enumerate(found, start=1):
            face_id = f"{photograph.id}-{number}"
            if face.eye_distance < self.smallest:
                reason = f"{face.eye_distance:.1f} px between the eyes; {self.smallest:g} are asked for"
                of.left_out.append({"id": face_id, **_record(face), "reason": reason})
                continue
            matrix = face.matrix(self.side)
            pixels, beyond = cut(photograph.pixels, matrix, self.side)
            of.faces.append(AlignedFace(face_id, face, matrix, pixels, beyond))
        if not of.faces:
            raise DetectionError(self._none(photograph, of))
        return of

    def _none(self, photograph: Photograph, of: FacesOf) -> str:
        if of.left_out:
            return f"only faces that are too small: {of.left_out[0]['reason']}"
        height, width = photograph.pixels.shape[:2]
        return f"{self.detector.name} found no face in the {width}x{height} picture, upright or turned"

    def record(self) -> dict[str, Any]:
        """What a manifest has of it."""
        return {
            "detector": self.detector.name,
            "template": "ffhq-512, five points, least squares",
            "side": self.side,
            "smallest_eye_distance": self.smallest,
            "border": list(BORDER),
        }


def named(source: Path) -> dict[str, Path]:
    """The photographs of a folder, or a single file, by id.

    Raises:
        DataError: no such file or folder, or no pictures in it.
    """
    paths = [source] if source.is_file() else list_images(source)
    if source.is_file() and source.suffix.lower() not in SUFFIXES:
        raise DataError(f"{source}: not a picture by its name; read are {', '.join(sorted(SUFFIXES))}")
    stems = Counter(unicodedata.normalize("NFC", path.stem) for path in paths)
    names = {path: unicodedata.normalize("NFC", path.stem) for path in paths}
    ids = {path: stem if stems[stem] == 1 else unicodedata.normalize("NFC", path.name) for path, stem in names.items()}
    counted = Counter(ids.values())  # a.png.jpg beside a.png and a.jpg: a stem that is another's name
    if twice := next((name for name, count in counted.items() if count > 1), None):
        raise DataError(f"{source}: two photographs would be called {twice!r}; rename one")
    return {ids[path]: path for path in paths}


@dataclass
class Aligned:
    """What `align` made.

    Attributes:
        given: how many photographs there were.
        photographs: an entry for each that has faces, as in the manifest.
        failed: why a photograph gave none, by its id.
    """

    detector: str
    given: int
    photographs: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Of aligned faces."""
        return sum(len(photograph["faces"]) for photograph in self.photographs)

    @property
    def left_out(self) -> int:
        """Of faces that are too small."""
        return sum(len(photograph["left_out"]) for photograph in self.photographs)


def align(
    source: Path,
    out: Path,
    *,
    detector: str = AUTO,
    size: int = SIDE,
    smallest: float = SMALLEST,
    each: Each = iter,
) -> Aligned:
    """Cut every face out of photographs, aligned as in FFHQ.

    Args:
        source: a folder of photographs, or one of them.
        out: gets faces/PHOTOGRAPH-NUMBER.png, and manifest.json.
        detector: see `detection.open_first`.
        size: of the faces, px.
        each: what the photographs are taken from; to show progress.

    Raises:
        FaceSRBenchError: no photographs, no detector, or `out` holds something else or can't be written.
    """
    photographs = named(source)
    finder = Finder(open_first(detector), size, smallest)
    begin(source, out, COMMAND, "faces")
    done = Aligned(finder.detector.name, len(photographs))
    for photograph_id, path in each_of(photographs, each):
        try:
            photograph = Photograph(photograph_id, path, read_image(path))
            of = finder.faces(photograph)
        except FaceSRBenchError as error:
            done.failed[photograph_id] = str(error)
            continue
        except PLUGIN_ERRORS as error:  # whatever a detector's library stumbles over costs this photograph alone
            done.failed[photograph_id] = describe(error)
            continue
        faces = []
        for face in of.faces:
            file = f"faces/{file_name(face.id)}.png"
            write_png(own(out, file), face.pixels)
            faces.append({**face.record(), "file": file, "sha256": pixel_sha256(face.pixels)})
        done.photographs.append({**photograph.record(), "faces": faces, "left_out": of.left_out})
    record = {"alignment": finder.record(), "photographs": done.photographs, "failed": done.failed}
    write_manifest(out, COMMAND, record)
    return done


def each_of(photographs: dict[str, Path], each: Each) -> Iterable[tuple[str, Path]]:
    """Ids and files, through what shows progress."""
    ids = {path: photograph_id for photograph_id, path in photographs.items()}
    for path in each(list(ids)):
        yield ids[path], path


def write_manifest(out: Path, command: str, record: dict[str, Any]) -> None:
    """Write manifest.json, with what made the pictures.

    Raises:
        ResultsError: it can't be written.
    """
    made_by = {"facesr_bench": package_version("facesr-bench"), "made_by": picture_libraries()}
    finish(out, command, {**made_by, **record})
