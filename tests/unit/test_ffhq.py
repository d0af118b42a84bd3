"""FFHQ's alignment, against scikit-image's transform, OpenCV's warp and the demo's own faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from facesr_bench.base.errors import CardError, DataError
from facesr_bench.data import ffhq
from facesr_bench.data.protocols import find_protocol
from facesr_bench.data.sources import open_dataset
from facesr_bench.plugins.cards import DatasetCard, validate
from facesr_bench.plugins.dataset import Picture

SIDE = 160


def pictures() -> dict[str, Picture]:
    dataset, protocol = open_dataset("demo-x8", {})
    return {item.id: dataset.read(item, protocol) for item in dataset.items(protocol)}


@pytest.fixture(scope="module")
def demo() -> dict[str, Picture]:
    return pictures()


def five(picture: Picture) -> np.ndarray:
    points = picture.landmarks
    assert points is not None
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def towards(picture: Picture, side: int) -> SimilarityTransform:
    """Scikit-image's transform from the picture to an aligned one; pictures begin half a pixel before their first."""
    found = SimilarityTransform.from_estimate(five(picture), (np.array(ffhq.TEMPLATE) + 0.5) * (side / 512) - 0.5)
    assert isinstance(found, SimilarityTransform)
    return found


@pytest.mark.parametrize("name", ["astronaut", "t1-2", "t1-3", "t1-4", "t1-5", "t1-6"])
def test_faces_lie_where_scikit_image_and_opencv_put_them(demo: dict[str, Picture], name: str) -> None:
    picture = demo[name]
    assert picture.hr is not None and picture.landmarks is not None
    found = towards(picture, SIDE)
    hr, landmarks = ffhq.aligned(picture.hr, picture.landmarks, SIDE)
    np.testing.assert_allclose(landmarks, found(picture.landmarks), atol=1e-6)  # far below the 0.1 px that matter
    warped = cv2.warpAffine(picture.hr, found.params[:2], (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    assert hr.shape == (SIDE, SIDE, 3)
    shifted = np.abs(np.roll(hr, 1, axis=1).astype(float) - warped).mean()
    assert np.abs(hr.astype(float) - warped).mean() < 0.35 * shifted  # another kernel, but the same place


def test_a_picture_that_is_aligned_stays_as_it_is() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    hr, landmarks = ffhq.aligned(picture, np.array(ffhq.TEMPLATE), 512)
    np.testing.assert_array_equal(hr, picture)
    np.testing.assert_allclose(landmarks, ffhq.TEMPLATE, atol=1e-9)
    half, _ = ffhq.aligned(np.full((512, 512, 3), 77, np.uint8), np.array(ffhq.TEMPLATE), 256)
    assert (half == 77).all()


def test_the_demo_leaves_out_just_the_faces_that_leave_the_picture(demo: dict[str, Picture]) -> None:
    """And its side is the largest multiple of 16 at which no face is enlarged."""
    dataset, protocol = open_dataset("demo-blind", {})
    kept = {item.id for item in dataset.items(protocol)}
    assert protocol.hr_size == SIDE and len(kept) == protocol.expected_count == 6
    widths = {name: 512 / float(towards(picture, 512).scale) for name, picture in demo.items()}
    assert SIDE <= min(widths[name] for name in kept) < SIDE + 16
    for name in demo.keys() - kept:
        picture = demo[name]
        assert picture.hr is not None and picture.landmarks is not None
        with pytest.raises(DataError, match="its aligned face reaches over the border of the 1280x886"):
            ffhq.aligned(picture.hr, picture.landmarks, SIDE)


def test_what_can_not_be_aligned_is_said(demo: dict[str, Picture]) -> None:
    picture = demo["t1-2"]
    assert picture.hr is not None and picture.landmarks is not None
    with pytest.raises(DataError, match=r"its face would be enlarged 1\.56 times to 256x256"):
        ffhq.aligned(picture.hr, picture.landmarks, 256)
    with pytest.raises(DataError, match="needs 68 or 5 landmarks"):
        ffhq.aligned(picture.hr, picture.landmarks[:10], SIDE)
    plugin, _ = find_protocol("demo-blind")
    card = plugin.require_card().model_dump()
    del card["protocols"]["demo-blind"]["hr_size"]
    with pytest.raises(CardError, match="crop rule `ffhq` needs `hr_size`, and aligned = 'ffhq'"):
        validate(DatasetCard, card, plugin.folder / "card.toml")
