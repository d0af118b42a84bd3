"""Photographs restored: each face aligned, given to a method, and pasted back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench import weights
from facesr_bench.base.devices import torch_device
from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MethodError, describe
from facesr_bench.base.files import file_name, own
from facesr_bench.base.filled import begin
from facesr_bench.data.ffhq import SIDE
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.photographs import (
    SMALLEST,
    AlignedFace,
    Each,
    FacesOf,
    Finder,
    Photograph,
    each_of,
    named,
    write_manifest,
)
from facesr_bench.evaluation.predict import open_method, upscale
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.faces.detection import AUTO, open_first
from facesr_bench.faces.paste import Patch, paste
from facesr_bench.faces.photographs import rescaled
from facesr_bench.images.files import Image8, pixel_sha256, read_image, write_png
from facesr_bench.images.quantise import quantise
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import CropCard, MethodCard, ProtocolCard
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.sample import Sample
from facesr_bench.plugins.spec import parse_method

ALIGNED, RESTORED, PAIRS = "faces/aligned", "faces/restored", "faces/side-by-side"
PASTED, PHOTOGRAPH_PAIRS = "photographs/restored", "photographs/side-by-side"
COMMAND = "facesr-bench restore"
NAME = "restore"
"""Stands for the protocol's name where random numbers of a method begin."""


@dataclass(frozen=True, eq=False)
class Worker:
    """A method, loaded, and the sizes it works at.

    Attributes:
        lr, sr: side of what it is given of a face, and of what it makes, px; None for backgrounds, which have any size.
    """

    text: str
    method: MethodBase
    weights: weights.Weights | None
    lr: int | None = None
    sr: int | None = None

    def restored(self, image_id: str, picture: Image8) -> Image8:
        """What it makes of a picture, as it would be saved.

        Raises:
            MethodError: it fails on it; says how.
        """
        loaded = Loaded(image_id, Prepared(Sample(image_id, picture, aligned="ffhq" if self.sr else "none")))
        (output,) = upscale(self.method, [loaded], NAME)
        if output.picture is not None:
            return output.picture
        if output.sr is None:
            raise MethodError(output.error or "no picture, and no reason")
        return quantise(output.sr, "round")

    def record(self) -> dict[str, Any]:
        """What a manifest has of it."""
        card, found = self.method.card, self.weights
        return {
            "method": self.text,
            "name": card.name,
            "scale": self.method.scale,
            "lr": self.lr,
            "sr": self.sr,
            "weights": None if found is None else {"name": found.name, "sha256": found.sha256},
            "device": self.method.device,
        }

    def words(self, size: int) -> str | None:
        """What is to be known where it is given less of a face than was asked for; else None."""
        if self.lr is None or self.lr >= size:
            return None
        return (
            f"{self.method.card.name} is given {self.lr}x{self.lr} px of each face and makes {self.sr}x{self.sr}: "
            "what a larger face shows beyond that is lost"
        )


def face_worker(text: str, size: int, scale: int | None, device: str) -> Worker:
    """A method for aligned faces.

    It makes faces of its card's size, or else of `size`; it is given what that is at LR's side.

    Args:
        scale: output side over input side; None: 1 if the method does that, else the smallest that it does.

    Raises:
        FaceSRBenchError: unknown, its weights are missing, or it can't do the scale or size.
    """
    card = _card(text)
    scale = scale or (1 if not card.scales or 1 in card.scales else min(card.scales))
    sr = card.output_size or size
    if sr % scale:
        raise MethodError(f"{card.name} at x{scale} can't make {sr}x{sr} px; give a multiple of {scale} as --size")
    _check_scale(card, scale)
    method, found = _open(text, scale, device, aligned=True)
    return Worker(text, method, found, sr // scale, sr)


def background_worker(text: str, enlarged: int, device: str) -> Worker:
    """A method for whole photographs.

    Raises:
        FaceSRBenchError: as `face_worker`; or it is one for aligned faces, or of one size.
    """
    card = _card(text)
    if card.needs_ffhq_alignment or card.output_size is not None:
        raise MethodError(f"{card.name} is for faces alone; give another method for the background")
    _check_scale(card, enlarged)
    return Worker(text, *_open(text, enlarged, device, aligned=False))


def _card(text: str) -> MethodCard:
    spec = parse_method(text)
    argument = spec.opened()
    return argument.card if argument else spec.plugin.require_card()


def _check_scale(card: MethodCard, scale: int) -> None:
    if card.scales and scale not in card.scales:
        raise MethodError(f"{card.name} does {', '.join(f'x{each}' for each in card.scales)}, not x{scale}")


def _open(text: str, scale: int, device: str, *, aligned: bool) -> tuple[MethodBase, weights.Weights | None]:
    spec = parse_method(text)
    found = weights.resolve_method(spec.plugin, spec.weights)
    protocol = ProtocolCard(
        name=NAME,
        summary="",
        crop=CropCard(rule="none"),
        scale=scale,
        source="lr",
        aligned="ffhq" if aligned else "none",
        profile="basicsr-rgb",
        metrics=(),
    )
    return open_method(spec, found.path if found else None, protocol, torch_device(device)), found


@dataclass
class Restoration:
    """What `restore` made.

    Attributes:
        given: how many photographs there were.
        photographs: an entry for each that has faces, as in the manifest.
        failed: why a photograph or a face has none of what was asked for, by its id.
        words: what is to be known of the sizes; or None.
    """

    detector: str
    given: int
    words: str | None = None
    photographs: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Of restored faces."""
        return sum("restored" in face for photograph in self.photographs for face in photograph["faces"])


@dataclass(frozen=True)
class Job:
    """How photographs are restored.

    Attributes:
        paste_back: whether the photographs themselves are made too.
        enlarged: how many times larger they become.
        background: enlarges what is no face; None: Pillow's bicubic.
    """

    out: Path
    finder: Finder
    worker: Worker
    paste_back: bool
    enlarged: int
    background: Worker | None

    def photograph(self, photograph: Photograph, failed: dict[str, str]) -> dict[str, Any]:
        """Restore one photograph, and write what is made of it.

        Args:
            failed: gets the faces that the method fails on.

        Returns:
            Its entry in the manifest.

        Raises:
            Exception: no face in it, or whatever a plug-in raises.
        """
        of = self.finder.faces(photograph)
        record = {**photograph.record(), "faces": [], "left_out": of.left_out}
        patches = [patch for face in of.faces if (patch := self._face(face, record["faces"], failed)) is not None]
        if self.paste_back and patches:
            record.update(self._pasted(photograph, of, patches))
        return record

    def _face(self, face: AlignedFace, records: list[dict[str, Any]], failed: dict[str, str]) -> Patch | None:
        record = face.record()
        records.append(record)
        record["aligned"] = self._write(ALIGNED, face.id, face.pixels)
        try:
            restored = self.worker.restored(face.id, face.pixels)
        except FaceSRBenchError as error:
            failed[face.id] = record["error"] = str(error)
            return None
        record["restored"] = self._write(RESTORED, face.id, restored)
        record["sha256"] = pixel_sha256(restored)
        self._write(PAIRS, face.id, side_by_side(face.pixels, restored))
        return Patch(restored, rescaled(face.matrix, target=len(restored) / len(face.pixels)))

    def _pasted(self, photograph: Photograph, of: FacesOf, patches: Sequence[Patch]) -> dict[str, Any]:
        before = photograph.pixels
        height, width = before.shape[:2]
        if self.background is not None:
            under = self.background.restored(photograph.id, before)
        else:
            under = resize(before, (height * self.enlarged, width * self.enlarged))
        after = paste(under, patches, self.enlarged)
        self._write(PHOTOGRAPH_PAIRS, photograph.id, side_by_side(before, after))
        return {
            "pasted": self._write(PASTED, photograph.id, after),
            "pasted_sha256": pixel_sha256(after),
            "faces_pasted": f"{len(patches)} of {len(of.faces)}",
        }

    def _write(self, folder: str, name: str, picture: Image8) -> str:
        file = f"{folder}/{file_name(name)}.png"
        write_png(own(self.out, file), picture)
        return file


def side_by_side(before: Image8, after: Image8) -> Image8:
    """Both at the size of the second, a white line between them."""
    height, width = after.shape[:2]
    return np.concatenate([resize(before, (height, width)), np.full((height, 4, 3), 255, np.uint8), after], axis=1)


def restore(
    method: str,
    source: Path,
    out: Path,
    *,
    detector: str = AUTO,
    size: int = SIDE,
    scale: int | None = None,
    smallest: float = SMALLEST,
    paste_back: bool = False,
    enlarged: int = 1,
    background: str | None = None,
    device: str = "auto",
    each: Each = iter,
) -> Restoration:
    """Restore the faces of photographs.

    Args:
        method: as for `run`: a name, `name@weights`, `spandrel:FILE`, `onnx:FILE`, a folder ...
        source: a folder of photographs, or one of them.
        out: gets faces/{aligned,restored,side-by-side}, photographs/{restored,side-by-side}, manifest.json.
        size: side of the faces that it makes, px, where its card does not say it.
        scale: see `face_worker`.
        paste_back: make the photographs too.
        enlarged: how many times larger these become.
        background: a method that enlarges, or cleans, what is no face; None: Pillow's bicubic.
        each: what the photographs are taken from; to show progress.

    Raises:
        FaceSRBenchError: no photographs, no detector, a method that can't be used, or `out` holds something else.
    """
    photographs = named(source)
    worker = face_worker(method, size, scale, device)
    assert worker.lr is not None
    under = None if background is None else background_worker(background, enlarged, device)
    finder = Finder(open_first(detector), worker.lr, smallest)
    begin(source, out, COMMAND, ALIGNED, RESTORED, PAIRS, PASTED, PHOTOGRAPH_PAIRS)
    job = Job(out, finder, worker, paste_back, enlarged, under)
    done = Restoration(finder.detector.name, len(photographs), worker.words(size))
    for photograph_id, path in each_of(photographs, each):
        try:
            photograph = Photograph(photograph_id, path, read_image(path))
            done.photographs.append(job.photograph(photograph, done.failed))
        except FaceSRBenchError as error:
            done.failed[photograph_id] = str(error)
        except PLUGIN_ERRORS as error:  # whatever a library stumbles over costs this photograph alone
            done.failed[photograph_id] = describe(error)
    record: dict[str, Any] = {"alignment": finder.record(), "restoration": worker.record()}
    if paste_back:
        record["pasted"] = {"enlarged": enlarged, "background": under.record() if under else "bicubic (Pillow)"}
    write_manifest(out, COMMAND, {**record, "photographs": done.photographs, "failed": done.failed})
    return done
