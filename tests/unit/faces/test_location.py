"""Where a face is found on HR, and what it was placed by is told with every number."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.data.protocols import catalogue, find_protocol
from facesr_bench.evaluation.inputs import Source, open_source
from facesr_bench.evaluation.metrics import Setup, find_metric
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.faces.detection import DlibDetector, open_detector
from facesr_bench.faces.landmarks import overlap
from facesr_bench.images.files import Image8
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.image_record import ImageRecord

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dlib") is None or importlib.util.find_spec("face_recognition_models") is None,
    reason="needs the extra `dlib`",
)

TURNED = ("3038704879_2", "3067126321_1", "3243602421_1")
"""Faces of Helen whose landmarks were 43 to 54 % off where dlib started from the landmarks' box."""


def scored(metrics: list[str], samples: list[Sample]) -> list[ImageRecord]:
    """HR against itself: what a metric finds wrong is its own fault."""
    setup = Setup(get_profile("sparnet"), 8)
    scorer = Scorer([find_metric(name, setup) for name in metrics])
    for metric in scorer.metrics:
        metric.load()  # type: ignore[union-attr]
    found = []
    for sample in samples:
        assert sample.hr is not None
        found.append(scorer.score(sample.hr, scorer.prepare(sample)))
    return found


@pytest.fixture(scope="module")
def helen(shared: Path) -> Source:
    _, card = find_protocol("helen-x8")
    return open_source(card, {"helen": shared / "faces" / "helen_test"}, catalogue(["helen-x8"]))


@pytest.mark.full
def test_landmarks_of_all_of_helens_own_faces_are_found_where_they_are(helen: Source) -> None:
    rows = scored(["nme-dlib"], [helen.read(image_id) for image_id in helen.items])
    errors = np.array([row.metrics["nme-dlib"] for row in rows])
    assert len(errors) == 330
    # From the landmarks' box it was 4.05 %, and over 20 % on 9 faces.
    assert errors.mean() == pytest.approx(2.83, abs=0.02) and not (errors > 20).any()
    assert {row.alignments["nme-dlib"] for row in rows} == {"dlib on HR"}


def test_landmarks_of_turned_heads_are_found_where_they_are(helen: Source) -> None:
    samples = [helen.read(image_id) for image_id in TURNED]
    for row in scored(["nme-dlib", "nme-hr-dlib"], samples):
        assert row.metrics["nme-dlib"] < 9
        assert row.metrics["nme-hr-dlib"] == 0
        assert row.alignments == {"nme-dlib": "dlib on HR", "nme-hr-dlib": "dlib on HR"}


def test_the_rectangle_is_where_dlib_finds_it(astronaut: Image8) -> None:
    import dlib

    # Twice enlarged, dlib sees the face by itself; pixels count from 0 and the last one is in.
    double = np.repeat(np.repeat(astronaut, 2, axis=0), 2, axis=1)
    (own, *_) = dlib.get_frontal_face_detector()(double, 0)
    theirs = (own.left() / 2, own.top() / 2, (own.right() + 1) / 2, (own.bottom() + 1) / 2)
    assert overlap(DlibDetector().rectangle(astronaut), theirs) > 0.75


def test_overlap_by_hand() -> None:
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1
    assert overlap((0, 0, 1, 1), (1, 0, 2, 1)) == overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def landmarks_of(image: Image8) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return DlibDetector().largest_68(image)


def test_a_face_that_dlib_does_not_find_is_placed_by_its_landmarks_and_said_so(astronaut: Image8) -> None:
    points = landmarks_of(astronaut)
    noise = np.random.default_rng(0).integers(0, 255, astronaut.shape, np.uint8)
    seen, unseen = scored(
        ["nme-dlib"], [Sample("seen", astronaut, astronaut, points), Sample("unseen", noise, noise, points)]
    )
    assert seen.alignments == {"nme-dlib": "dlib on HR"}
    assert unseen.alignments == {"nme-dlib": "landmarks"} and unseen.metrics["nme-dlib"] > 0


def test_a_rectangle_around_another_face_than_the_landmarks_is_not_taken(astronaut: Image8) -> None:
    points = landmarks_of(astronaut) / 4 + (150, 150)  # a small face in the corner, where none is
    (row,) = scored(["nme-dlib"], [Sample("other", astronaut, astronaut, points)])
    assert row.alignments == {"nme-dlib": "landmarks"}


def test_what_a_face_was_placed_by_is_told_with_each_number(astronaut: Image8) -> None:
    points = landmarks_of(astronaut)
    samples = [
        Sample("annotated", astronaut, astronaut, points),
        Sample("bare", astronaut, astronaut),
        Sample("aligned", astronaut, astronaut, aligned="ffhq"),
    ]
    rows = scored(["psnr", "identity-dlib"], samples)
    assert rows[0].alignments == {"identity-dlib": "landmarks"}, "PSNR looks at no face"
    assert rows[1].alignments == {"identity-dlib": "dlib on HR"}
    assert rows[2].alignments == {"identity-dlib": "FFHQ's template"}


def test_a_detector_whose_file_is_missing_names_the_one_that_needs_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"needs weights `yunet`[\s\S]*\[faces\] in it that says detector = .dlib."):
        open_detector("yunet")
