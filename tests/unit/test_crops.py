"""Where the squares lie, and that landmarks stay on the pixels they mark."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.data import crops
from facesr_bench.data.protocols import catalogue, find_protocol
from facesr_bench.evaluation.inputs import open_source
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import CropCard, ProtocolCard


def protocol(hr_size: int | None = None, **crop: Any) -> ProtocolCard:
    return ProtocolCard(
        name="p-x1",
        summary="",
        crop=CropCard(**crop),
        scale=1,
        hr_size=hr_size,
        source="hr",
        degradation="bicubic-pillow",
        profile="sparnet",
        metrics=(),
    )


@pytest.fixture
def wide(astronaut: NDArray[np.uint8]) -> Image8:
    return astronaut[:120, :]  # 120 high, 192 wide


def test_none_keeps_the_picture(wide: Image8) -> None:
    points = np.array([[3.0, 4.0]])
    hr, landmarks, _ = crops.apply(wide, points, None, protocol(rule="none"))
    np.testing.assert_array_equal(hr, wide)
    np.testing.assert_array_equal(landmarks, points)


def test_none_with_a_size_refuses_to_distort(wide: Image8) -> None:
    with pytest.raises(DataError, match=r"^the picture is 192x120.*p-x1 takes square ones to 64x64"):
        crops.apply(wide, None, None, protocol(64, rule="none"))


@pytest.mark.parametrize(("size", "left", "top", "side"), [(None, 36, 0, 120), (100, 46, 10, 100), (101, 45, 9, 101)])
def test_centre(wide: Image8, size: int | None, left: int, top: int, side: int) -> None:
    hr, landmarks, _ = crops.apply(wide, np.array([[50.0, 20.0]]), None, protocol(rule="centre", size=size))
    np.testing.assert_array_equal(hr, wide[top : top + side, left : left + side])
    np.testing.assert_array_equal(landmarks, [[50.0 - left, 20.0 - top]])


def test_centre_larger_than_the_picture(wide: Image8) -> None:
    with pytest.raises(DataError, match=r"^the picture is 192x120, smaller than the 178x178 centre that"):
        crops.apply(wide, None, None, protocol(rule="centre", size=178))


def test_box(wide: Image8) -> None:
    hr, *_ = crops.apply(wide, None, (92, 20, 100), protocol(rule="box"))
    np.testing.assert_array_equal(hr, wide[20:120, 92:192])


@pytest.mark.parametrize("box", [(93, 20, 100), (92, 21, 100), (-1, 0, 10), (0, -1, 10), (0, 0, 0)])
def test_box_outside(wide: Image8, box: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match=r"^its box .* is not inside the 192x120 picture"):
        crops.apply(wide, None, box, protocol(rule="box"))


def test_box_missing(wide: Image8) -> None:
    with pytest.raises(DataError, match=r"^protocol p-x1 cuts out a box"):
        crops.apply(wide, None, None, protocol(rule="box"))


@pytest.mark.parametrize("landmarks", [None, np.empty((0, 2))])
def test_landmarks_missing(wide: Image8, landmarks: NDArray[np.float64] | None) -> None:
    with pytest.raises(DataError, match=r"^protocol p-x1 crops around the landmarks, and it has none"):
        crops.apply(wide, landmarks, None, protocol(rule="landmarks", enlarge=1.6, shift_up=0.1))


def test_landmark_square_by_hand() -> None:
    # Box x 40..59, y 30..79: extents 19 and 49. Side round(1.6 * 49) = round(78.4) = 78.
    # Centre (50, 55) in pixel edges, up by 4.9 -> 50.1. Left round(50 - 39) = 11, top round(50.1 - 39) = 11.
    points = np.array([[40.0, 30.0], [59.0, 79.0], [50.0, 50.0]])
    assert crops.landmark_square(points, (200, 200), 1.6, 0.1) == (11, 11, 78)


@pytest.mark.parametrize(
    ("centre", "expected"),
    [((10, 10), (0, 0)), ((190, 10), (136, 0)), ((10, 190), (0, 136)), ((190, 190), (136, 136))],
)
def test_landmark_square_is_moved_inside(centre: tuple[float, float], expected: tuple[int, int]) -> None:
    points = np.array(centre, dtype=np.float64) + np.array([[-20.0, -20.0], [20.0, 20.0]])
    assert crops.landmark_square(points, (200, 200), 1.6, 0.1) == (*expected, 64)


def test_landmark_square_never_exceeds_the_picture() -> None:
    points = np.array([[0.0, 0.0], [150.0, 99.0]])
    assert crops.landmark_square(points, (100, 160), 1.6, 0.1) == (26, 0, 100)


def test_a_crop_is_cut_before_it_is_resized(wide: Image8) -> None:
    """The pixels around the box must not leak into it through the resampling kernel."""
    painted = wide.copy()
    painted[:, :50] = 255
    painted[:, 110:] = 0
    spec = protocol(30, rule="box")
    hr, *_ = crops.apply(wide, None, (50, 30, 60), spec)
    other, *_ = crops.apply(painted, None, (50, 30, 60), spec)
    np.testing.assert_array_equal(hr, other)
    np.testing.assert_array_equal(hr, resize(np.ascontiguousarray(wide[30:90, 50:110]), (30, 30)))


@pytest.mark.parametrize("size", [25, 50, 100])
def test_landmarks_stay_on_their_spot(size: int) -> None:
    """A bright blob's centre of mass moves as the landmark does, whatever the resize: the pixel-centre convention."""
    y, x = np.mgrid[0:160, 0:160]
    spot = np.array([[83.0, 71.0]])
    blob = 255 * np.exp(-((x - spot[0, 0]) ** 2 + (y - spot[0, 1]) ** 2) / (2 * 6.0**2))
    picture = np.repeat(np.rint(blob).astype(np.uint8)[:, :, None], 3, axis=2)
    hr, landmarks, _ = crops.apply(picture, spot, (30, 20, 100), protocol(size, rule="box"))
    assert hr.shape == (size, size, 3)
    mass = hr[:, :, 0].astype(np.float64)
    v, u = np.mgrid[0:size, 0:size]
    found = [(u * mass).sum() / mass.sum(), (v * mass).sum() / mass.sum()]
    assert landmarks is not None
    np.testing.assert_allclose(landmarks, [found], atol=0.02)


@pytest.mark.parametrize(("crop", "box"), [({"rule": "centre"}, None), ({"rule": "box"}, (10, 10, 100))])
def test_nothing_is_enlarged_to_be_ground_truth(
    wide: Image8, crop: dict[str, Any], box: tuple[int, int, int] | None
) -> None:
    """An LR folder given as HR would score its own interpolation."""
    side = 120 if box is None else 100
    with pytest.raises(DataError, match=f"^its face is {side}x{side} px, smaller than the 128x128 of protocol p-x1; "):
        crops.apply(wide, None, box, protocol(128, **crop))
    assert crops.apply(wide, None, box, protocol(side, **crop))[0].shape == (side, side, 3)


def test_a_card_may_allow_a_small_enlargement_which_is_told(wide: Image8) -> None:
    spec = protocol(128, rule="box", enlarge_up_to=1.3)
    cut = crops.apply(wide, np.array([[60.0, 60.0]]), (10, 0, 100), spec)
    assert cut.hr.shape == (128, 128, 3) and cut.enlarged == 1.28
    assert cut.landmarks is not None
    np.testing.assert_allclose(cut.landmarks, [[50.5 * 1.28 - 0.5, 60.5 * 1.28 - 0.5]])
    assert crops.apply(wide, None, (10, 0, 100), protocol(100, rule="box", enlarge_up_to=1.3)).enlarged is None
    with pytest.raises(DataError, match=r"90x90 px, smaller than .* by more than the 1\.3 times that its card allows"):
        crops.apply(wide, None, (10, 0, 90), spec)


def rebuilt(picture: Path, points: Path) -> Image8:
    """The crop of helen-x8 from what its card says alone."""
    inside = points.read_text().split("{")[1].split("}")[0].split()
    xs, ys = np.array(inside[0::2], float) - 1, np.array(inside[1::2], float) - 1
    x0, x1, y0, y1 = xs.min(), xs.max(), ys.min(), ys.max()
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    side = min(math.floor(1.6 * max(x1 - x0, y1 - y0) + 0.5), *image.size)
    left = math.floor((x0 + x1) / 2 + 0.5 - side / 2 + 0.5)
    top = math.floor((y0 + y1) / 2 + 0.5 - 0.1 * (y1 - y0) - side / 2 + 0.5)
    left, top = min(max(0, left), image.width - side), min(max(0, top), image.height - side)
    cut = image.crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((128, 128), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("count", [25, pytest.param(330, marks=pytest.mark.full)])
def test_the_crops_of_helen_can_be_rebuilt_from_the_words_of_its_card(shared: Path, count: int) -> None:
    folder = shared / "faces" / "helen_test"
    _, card = find_protocol("helen-x8")
    source = open_source(card, {"helen": folder}, catalogue(["helen-x8"]))
    ids = list(source.items)[:count]
    assert len(ids) == count
    for image_id in ids:
        hr = source.read(image_id).hr
        again = rebuilt(folder / f"{image_id}.jpg", folder / f"{image_id}.pts")
        assert hr is not None and np.array_equal(hr, again), image_id
