"""Is a protocol's data what papers were measured on? A run of hours on the wrong set is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, describe
from facesr_bench.base.text import counted
from facesr_bench.evaluation.inputs import Source
from facesr_bench.faces.alignment import FFHQ_512
from facesr_bench.faces.detection import AUTO, FaceDetector, open_first
from facesr_bench.images.files import Image8, pixel_sha256
from facesr_bench.images.resize import resize
from facesr_bench.plugins.sample import Sample

THUMBNAIL = 16
"""Side of the small gray pictures that tell faces apart, px: what the strongest degradation leaves of them."""
LOOKED_FOR = 50
"""In how many pictures faces are looked for; evenly over the set."""
ALIKE = 0.2
"""Mean distance of five points from FFHQ's, over the eyes' own, up to which a set counts as aligned: medians of aligned
sets were 0.06 to 0.14, however degraded, those of LFW's and Helen's crops 0.28 and more."""
CLEARLY = 0.02
"""By how much another picture must be more alike, of a correlation, to count as the true partner."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: in words, without a verdict.
        problem: what is wrong with it; empty where nothing is.
    """

    what: str
    problem: str = ""


@dataclass
class _Seen:
    """What is kept of every picture."""

    ids: list[str] = field(default_factory=list)
    lr: list[NDArray[np.float64]] = field(default_factory=list)
    hr: list[NDArray[np.float64]] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    """Of each LR picture, over that of its HR."""
    same: list[str] = field(default_factory=list)
    hashes: dict[str, list[str]] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)
    sought: int = 0
    """Pictures in which a face was looked for."""
    places: dict[str, float] = field(default_factory=dict)
    """How far its face lies from where FFHQ's lie, by id; of those whose face was found."""


def examine(source: Source, each: Callable[[Sequence[str]], Iterable[str]] = iter) -> list[Finding]:
    """What can be said of a protocol's pictures without any number that was published.

    Args:
        each: what the ids are taken from; to show progress.
    """
    ids = list(source.items)
    findings = [_count(len(ids), source.protocol.expected_count)]
    seen, failed = _Seen(), dict[str, str]()
    detector = _detector() if source.protocol.aligned == "ffhq" else None
    sought = set(ids[:: max(1, len(ids) // LOOKED_FOR)]) if detector else set()
    for image_id in each(ids):
        try:
            sample = source.read(image_id)
        except FaceSRBenchError as error:
            failed[image_id] = str(error)
        except PLUGIN_ERRORS as error:
            failed[image_id] = describe(error)
        else:
            _look(sample, seen, source)
            if detector is not None and image_id in sought:
                _place(sample, seen, detector)
    what = "every picture can be read and has the protocol's size"
    first, why = next(iter(failed.items()), ("", ""))
    problem = f"{len(failed)} of {len(ids)} can't be used; the first, {first}: {why}" if failed else ""
    findings.append(Finding(what, problem))
    twice = [names for names in seen.hashes.values() if len(names) > 1]
    problem = f"of {counted(len(twice), 'picture')}, such as {', '.join(twice[0])}" if twice else ""
    findings.append(Finding("no LR picture is there twice", problem and f"there are several files {problem}"))
    if source.lr_hashes:
        problem = f"the libraries here give other bits of {_some(seen.unlike)}" if seen.unlike else ""
        findings.append(Finding("LR pictures have the sha256 that the protocol commits", problem))
    findings += _pairs(seen) if seen.hr else []
    return [*findings, *([_alignment(seen, detector)] if source.protocol.aligned == "ffhq" else [])]


def _detector() -> FaceDetector | None:
    """The first that can be opened here."""
    try:
        return open_first(AUTO)
    except FaceSRBenchError:
        return None


def _place(sample: Sample, seen: _Seen, detector: FaceDetector) -> None:
    image = sample.lr if sample.hr is None else sample.hr
    seen.sought += 1
    template = (np.asarray(FFHQ_512.points, np.float64) + 0.5) * (image.shape[1] / FFHQ_512.width) - 0.5
    try:
        away = np.linalg.norm(detector.five_points(image) - template, axis=1).mean()
    except FaceSRBenchError:
        return  # found no face: too much is lost of it, which is no matter of where it lies
    seen.places[sample.id] = float(away / np.linalg.norm(template[1] - template[0]))


def _alignment(seen: _Seen, detector: FaceDetector | None) -> Finding:
    """Whether the faces lie where FFHQ's lie, as the protocol promises to methods."""
    if not seen.sought and detector is not None:
        return Finding("where faces lie was not looked at: no picture that would have been can be used")
    if detector is None:
        return Finding("where faces lie was not looked at: no face detector is here (see `facesr-bench align --help`)")
    what = f"faces lie as in FFHQ ({detector.name} found {len(seen.places)} in {seen.sought} pictures)"
    if not seen.places and not seen.hr:  # of faces that are lost in their degradation nothing follows
        return Finding(f"where faces lie is not known: {detector.name} found none in {seen.sought} pictures")
    if not seen.places:
        return Finding(what, "there is no face in any of them: are these sharp pictures of one upright face each?")
    middle = float(np.median(list(seen.places.values())))
    if middle <= ALIKE:
        return Finding(what)
    far = sorted(seen.places, key=lambda image: -seen.places[image])
    return Finding(
        what,
        f"most are elsewhere, by {middle:.2f} of the distance between the eyes (farthest: {', '.join(far[:3])}); "
        "methods that want aligned faces fail on them: cut them out of the photographs by `facesr-bench align`",
    )


def _count(found: int, expected: int | None) -> Finding:
    if expected is None:
        return Finding(f"{counted(found, 'picture')} (any number will do)")
    problem = f"there are {found}: papers that report the whole set are not comparable" if found != expected else ""
    return Finding(f"{expected} pictures", problem)


def _look(sample: Sample, seen: _Seen, source: Source) -> None:
    lr_hash = pixel_sha256(sample.lr)
    seen.hashes.setdefault(lr_hash, []).append(sample.id)
    if source.lr_hashes.get(sample.id, lr_hash) != lr_hash:
        seen.unlike.append(sample.id)
    if sample.hr is None:
        return
    seen.ids.append(sample.id)
    seen.lr.append(_thumbnail(sample.lr))
    seen.hr.append(_thumbnail(sample.hr))
    if sample.hr.shape == sample.lr.shape:
        seen.sharpness.append(_sharpness(sample.lr) / max(_sharpness(sample.hr), 1e-9))
        if pixel_sha256(sample.hr) == lr_hash:
            seen.same.append(sample.id)


def _pairs(seen: _Seen) -> list[Finding]:
    """Whether each LR picture shows the face of its HR, and which of the two is the degraded one."""
    alike = np.stack(seen.lr) @ np.stack(seen.hr).T
    own, best = np.diag(alike), alike.argmax(axis=1)
    wrong = [place for place in range(len(own)) if alike[place, best[place]] - own[place] > CLEARLY]
    problem = ""
    if wrong:
        first = wrong[0]
        problem = (
            f"{len(wrong)} of {len(own)} LR pictures look like another's HR: {seen.ids[first]} like "
            f"{seen.ids[best[first]]}. Pairs are by name without suffix: were files renamed or left out?"
        )
    findings = [Finding("each LR picture shows the face of its HR", problem)]
    if seen.sharpness:
        # Noise makes single LR pictures sharper than their HR; of no degradation here most of them.
        swapped = float(np.median(seen.sharpness)) > 1
        problem = "most LR pictures are sharper than their HR: the two folders are exchanged" if swapped else ""
        findings.append(Finding("HR is the sharp side", problem))
        problem = f"pixel for pixel their HR: {_some(seen.same)}" if seen.same else ""
        findings.append(Finding("LR pictures are degraded", problem))
    return findings


def _some(ids: Sequence[str]) -> str:
    return f"{counted(len(ids), 'picture')} ({', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''})"


def _thumbnail(image: Image8) -> NDArray[np.float64]:
    """THUMBNAIL squared values of mean 0 and length 1."""
    gray = resize(image, (THUMBNAIL, THUMBNAIL)).mean(axis=2).ravel()
    gray = gray - gray.mean()
    length = float(np.linalg.norm(gray))
    return np.asarray(gray / length) if length else gray


def _sharpness(image: Image8) -> float:
    """Mean size of the steps between neighbours along a line, levels."""
    return float(np.abs(np.diff(image[..., 1].astype(np.int16), axis=1)).mean())
