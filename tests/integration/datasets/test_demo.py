"""The demo: faces of pictures that our dependencies ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesr_bench.base.errors import DataError
from facesr_bench.data import sources
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import DatasetCard
from tests.integration.datasets.reading import ids, samples


def test_seven_real_faces() -> None:
    found = samples("demo-x8", None)
    assert ids(found) == ["astronaut", "t1-1", "t1-2", "t1-3", "t1-4", "t1-5", "t1-6"]
    for sample in found:
        assert sample.hr is not None
        assert (sample.hr.shape, sample.lr.shape) == ((128, 128, 3), (16, 16, 3))
        np.testing.assert_array_equal(sample.lr, resize(sample.hr, (16, 16)))


def test_every_crop_shows_one_upright_face(shared: Path) -> None:
    """A face detector finds exactly one face in each, in its middle and as large as the card says."""
    import cv2

    detector = cv2.FaceDetectorYN.create(str(shared / "weights" / "yunet_n_640_640.onnx"), "", (256, 256), 0.7)
    for sample in samples("demo-x8", None):
        assert sample.hr is not None
        bgr = np.ascontiguousarray(resize(sample.hr, (256, 256))[:, :, ::-1])
        _, boxes = detector.detect(bgr)
        assert boxes is not None and len(boxes) == 1, sample.id
        x, y, w, h = boxes[0, :4] / 256
        assert 0.55 < max(w, h) < 0.8, sample.id
        assert abs(x + w / 2 - 0.5) < 0.1 and abs(y + h / 2 - 0.5) < 0.1, sample.id


def test_boxes_are_part_of_the_content() -> None:
    dataset, protocol = sources.open_dataset("demo-x8", {})
    moved = _changed(dataset.card, box=[141, 30, 166])
    other = type(dataset)(moved, None)
    assert other.content_hash(other.items(protocol)) != dataset.content_hash(dataset.items(protocol))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, r"astronaut\.png: not the picture that the demo's boxes were drawn on"),
        ({"file": "data/nobody.png"}, r"nobody\.png: missing; this version of package skimage does not ship it"),
        ({"package": "no_such_package"}, "package no_such_package is not installed"),
    ],
)
def test_another_picture(change: dict[str, str], message: str) -> None:
    dataset, protocol = sources.open_dataset("demo-x8", {})
    other = type(dataset)(_changed(dataset.card, None, **change), None)
    with pytest.raises(DataError, match=message):
        other.items(protocol)


def _changed(card: DatasetCard, box: list[int] | None = None, **picture: str) -> DatasetCard:
    options = card.model_dump()["options"]
    options["pictures"]["astronaut"].update(picture)
    if box is not None:
        options["faces"][0]["box"] = box
    return card.model_copy(update={"options": options})
